"""Places of the state of a room at several points of its past at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from homeserver.domain.events import StateKey


class PastStates(Protocol):
    """Reads a few places of many states."""

    async def held(
        self, room_nid: int, bases: Collection[int], keys: Collection[StateKey]
    ) -> dict[int, dict[StateKey, int]]:
        """By base the numbers of the events that hold these places, where they are set.

        A base is a position of the room's history or minus the number of a snapshot, as in
        :class:`homeserver.ports.rooms.events.StateAt`. In a fixed number of queries.
        """
        ...
