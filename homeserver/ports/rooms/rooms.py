"""What the floors above ask of storage about rooms and their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.receipts import ReceiptRow

Order = tuple[int, int]


@attrs.frozen(slots=True)
class RoomRow:
    """A room that this server knows."""

    room_nid: int
    room_id: RoomId
    version: str
    shard: int
    published: bool


@attrs.frozen(slots=True)
class MemberRow:
    """One user's current membership in a room."""

    user_id: UserId
    membership: str
    event_nid: int
    display_name: str | None


@attrs.frozen(slots=True)
class RoomSnapshot:
    """Everything a room actor starts from.

    ``state`` is the current state without members; ``tail`` the newest timeline events, oldest
    first; ``extremities`` the forward extremities; ``related`` the events of the tail that
    others relate to; ``older`` whether the timeline goes on before the tail.
    """

    row: RoomRow
    state: list[StoredEvent]
    members: list[MemberRow]
    tail: list[StoredEvent]
    extremities: list[StoredEvent]
    receipts: list[ReceiptRow]
    related: list[EventId]
    older: bool
    resolved_position: int = 0
    """Where the state changed last otherwise than by the event there."""
    gap_position: int = 0
    """The last place before which the timeline lacks events; 0 without gaps."""
    told: Mapping[UserId, Sequence[bytes]] = {}
    """By user: the stripped state that another server told them of the room."""


@attrs.frozen(slots=True)
class UserRoom:
    """A room as one user has it.

    ``position`` is the place of the membership event, ``joined_position`` where they last came in;
    the ordinals are the room's at that place.
    """

    room_nid: int
    room_id: RoomId
    shard: int
    membership: str
    event_nid: int
    position: int
    sender: UserId
    joined_position: int
    ordinal: int
    room_highlight_ordinal: int
    forgotten: bool
    last_position: int = 0
    """Of the newest thing in the room; asked for when a session begins, else 0."""


@attrs.frozen(slots=True)
class StateSpan:
    """An event held a place in the room's state from (with) and until (without) these positions."""

    type: str
    state_key: str
    event_nid: int
    from_position: int
    to_position: int


class RoomStore(Protocol):
    """Rooms and the history of their state."""

    async def find(self, room_ids: list[RoomId]) -> list[RoomRow]:
        """The rooms that exist among these."""
        ...

    async def load(self, room_nids: list[int], tail: int) -> list[RoomSnapshot]:
        """Snapshots of rooms, each with ``tail`` newest events; in a fixed number of queries."""
        ...

    async def state_at(
        self, room_nid: int, position: int, types: list[str] | None = None
    ) -> list[StateSpan]:
        """The state after everything up to and with a position; one indexed read."""
        ...

    async def state_changes(self, room_nid: int, after: int, until: int) -> list[StateSpan]:
        """State that began in (after, until] and still held at ``until``."""
        ...

    async def state_history(self, room_nid: int, keys: list[tuple[str, str]]) -> list[StateSpan]:
        """All that ever held some places, oldest first."""
        ...

    async def rooms_of_user(self, user_id: UserId) -> list[UserRoom]:
        """Every room in which a user has a membership, with its newest position."""
        ...

    async def room_of_user(self, user_id: UserId, room_nid: int) -> UserRoom | None:
        """One room as a user has it."""
        ...

    async def joined_members(self, room_nid: int) -> list[tuple[UserId, str | None, str | None]]:
        """(user, display name, avatar) of the joined members."""
        ...


class EventStore(Protocol):
    """Events by name and by place."""

    async def by_nid(self, nids: list[int]) -> list[StoredEvent]:
        """The events that exist among these, in no particular order."""
        ...

    async def by_id(self, event_ids: list[EventId]) -> list[StoredEvent]:
        """The events that exist among these, in no particular order."""
        ...

    async def timeline(
        self,
        room_nid: int,
        *,
        after: Order | None = None,
        until: Order | None = None,
        backwards: bool,
        limit: int,
    ) -> list[StoredEvent]:
        """Events of the stitched order in (after, until], oldest first, or newest first when
        ``backwards``; at most ``limit``."""
        ...

    async def transactions(
        self, room_nid: int, sender: UserId, device_id: str, limit: int
    ) -> list[tuple[str, str, EventId]]:
        """(transaction id, event type, event) that a device used last in a room."""
        ...

    async def by_transaction(
        self, room_nid: int, sender: UserId, device_id: str, txn_id: str, type: str
    ) -> EventId | None:
        """The event that a transaction id was used for."""
        ...

    async def nearest_to_time(
        self, room_nid: int, ts: int, *, backwards: bool, limit: int
    ) -> list[StoredEvent]:
        """The first events at or after a time, or when ``backwards`` the last at or before it;
        those that are nearest to it come first."""
        ...
