"""What the floors above ask of storage about what happened in rooms, and of what kind they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class LastEvent(NamedTuple):
    """The newest event of a room, or of its kind in it: where it is, and when it was sent."""

    room_nid: int
    position: int
    origin_server_ts: int


class RoomKind(NamedTuple):
    """What a room is for: the ``type`` of its m.room.create event, and whether it is encrypted."""

    room_nid: int
    room_type: str | None
    is_encrypted: bool


class RoomActivityStore(Protocol):
    """What happened in rooms last, and of what kind they are; one query for all of them."""

    async def last_events(self, room_nids: Sequence[int]) -> list[LastEvent]:
        """The newest event of each room."""
        ...

    async def last_events_of_types(
        self, room_nids: Sequence[int], types: Sequence[str]
    ) -> list[LastEvent]:
        """The newest event of each room that is of one of some types."""
        ...

    async def events(self, event_nids: Sequence[int]) -> list[LastEvent]:
        """Single events, by number."""
        ...

    async def emptied_places(self, room_nid: int, after: int, until: int) -> list[tuple[str, str]]:
        """The places of a room's state (type, state key) that something held until a position in
        (after, until], and nothing at the end."""
        ...

    async def kinds(self, room_nids: Sequence[int]) -> list[RoomKind]:
        """Of what kind rooms are."""
        ...
