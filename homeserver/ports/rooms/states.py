"""What the floors above ask of storage about states of rooms and events outside timelines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import EventId, RoomId, ServerName
from homeserver.ports.database import Transaction
from homeserver.ports.rooms.events import (
    MembershipRow,
    SnapshotRow,
    StateAt,
    StoredEvent,
)
from homeserver.ports.rooms.rooms import RoomRow


@attrs.frozen(slots=True)
class Gap:
    """Before this place of a room's timeline events are missing: these, and what they follow."""

    position: int
    sub: int
    event_ids: tuple[EventId, ...]


@attrs.frozen(slots=True)
class RoomImport:
    """A room, and a state that becomes its current one at ``position``, whatever was before.

    ``state`` gives the numbers of the events of the whole state, ``members`` what it makes of
    users, with the numbers of their events.
    """

    room_nid: int
    room_id: RoomId
    version: str
    shard: int
    position: int
    created_ts: int
    state: Mapping[StateKey, int]
    members: Sequence[tuple[MembershipRow, int]]
    is_complete: bool = True
    """Whether the state has all members of the room."""


class RoomStateStore(Protocol):
    """States of rooms at any event."""

    async def places(
        self, room_nid: int, state: StateAt, keys: Collection[StateKey] | None = None
    ) -> dict[StateKey, int]:
        """The numbers of the events that hold the places of a state: all, or only ``keys``."""
        ...

    async def ids(self, nids: Collection[int]) -> dict[int, EventId]:
        """The ids of events, by number."""
        ...

    async def depth(self, snapshot_nid: int) -> int:
        """How many snapshots a snapshot lies on."""
        ...

    async def store_outside(
        self, events: Sequence[StoredEvent], snapshots: Sequence[SnapshotRow] = ()
    ) -> None:
        """Store events without a place in a timeline; those that are known get their standing."""
        ...

    async def note_early_redaction(self, target: EventId, redaction: EventId) -> None:
        """A redaction came before what it redacts."""
        ...

    async def early_redactions(self, targets: Collection[EventId]) -> dict[EventId, list[EventId]]:
        """The redactions that came before these events, which may be refused yet."""
        ...

    async def gaps(self, room_nid: int) -> list[Gap]:
        """The gaps of a room's timeline, oldest first."""
        ...


class RoomImportStore(Protocol):
    """Rooms that come from elsewhere."""

    async def store_outside(self, events: Sequence[StoredEvent]) -> None:
        """Store events without a place in a timeline."""
        ...

    def hearing_of(self, room: RoomRow, now_ms: int) -> Callable[[Transaction], None]:
        """The work that notes a room of which nothing is known yet."""
        ...

    def importing(self, arrival: RoomImport) -> Callable[[Transaction], None]:
        """The work that makes a state the current one of a room."""
        ...

    async def discard(self, room_nid: int, server_name: ServerName) -> None:
        """Remove the state of a room without a timeline, and what is of no more use then; the
        memberships of this server's users stay. Does nothing to rooms with a timeline."""
        ...
