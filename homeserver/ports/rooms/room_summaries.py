"""What the floors above ask of storage to describe rooms without loading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from homeserver.domain.identifiers import RoomId
from homeserver.domain.room_summary import RoomSummary
from homeserver.ports.rooms.events import StoredEvent


class RoomSummaryStore(Protocol):
    """Rooms as their current state describes them."""

    async def summaries(self, room_ids: Sequence[RoomId]) -> dict[RoomId, RoomSummary]:
        """The summaries of the rooms that exist among these, in a fixed number of queries."""
        ...

    async def children(self, room_id: RoomId) -> list[StoredEvent]:
        """The current `m.space.child` events of a room, in no particular order."""
        ...
