"""What inspecting a room asks of storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.ports.rooms.events import Standing


@attrs.frozen
class RoomFigures:
    """How many events and snapshots of states there are of a room.

    ``filled`` counts the accepted events that came into gaps of the timeline.
    """

    events: Mapping[Standing, int]
    filled: int
    snapshots: int


@attrs.frozen
class MembershipRecord:
    """What the table of memberships says of a user, and by which event."""

    membership: str
    event_nid: int


class RoomFigureStore(Protocol):
    """Looks at the rows of a room as they are."""

    async def figures(self, room_nid: int) -> RoomFigures:
        """What there is of a room."""
        ...

    async def memberships(self, room_nid: int) -> dict[UserId, MembershipRecord]:
        """The table of memberships, of one room."""
        ...
