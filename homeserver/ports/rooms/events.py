"""Events as they are stored: an immutable event and what this server knows of it."""

from __future__ import annotations

import attrs

from homeserver.domain.client_events import client_json
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, RoomId, UserId

SHARD_BITS = 8
FOREVER = 2**63 - 1


def make_nid(position: int, shard: int) -> int:
    """The number of a row that was born at a position of a shard; unique in the deployment."""
    return position << SHARD_BITS | shard


def position_of_nid(nid: int) -> int:
    """The position at which a row was born."""
    return nid >> SHARD_BITS


@attrs.define(slots=True, eq=False)
class StoredEvent:
    """An event in a room's timeline. Never changed once made (a redaction makes another).

    ``position, sub`` is its place in the stitched order. ``state_position`` is the position of the
    room's state history that equals the state before it. ``ordinal`` and
    ``room_highlight_ordinal`` count the room's notifying events up to and with this one.
    ``replaces_nid`` names the event that held the place of a state event before it.
    """

    event: Event
    nid: int
    room_nid: int
    position: int
    sub: int
    state_position: int
    replaces_nid: int | None
    ordinal: int
    room_highlight_ordinal: int
    notifies: bool
    room_highlight: bool
    thread_root: EventId | None
    device_id: str | None
    txn_id: str | None
    redacted_by: EventId | None
    _client: bytes | None = None

    @property
    def order(self) -> tuple[int, int]:
        """The place in the stitched order."""
        return (self.position, self.sub)

    @property
    def client(self) -> bytes:
        """The client format without its closing brace, room_id and unsigned; encoded once."""
        if self._client is None:
            self._client = client_json(self.event)
        return self._client

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return 900 + 3 * len(self.event.pdu)


@attrs.frozen(slots=True)
class MembershipRow:
    """The membership of one user in one room, as an event set it."""

    user_id: UserId
    membership: str
    sender: UserId
    display_name: str | None
    avatar_url: str | None


@attrs.frozen(slots=True)
class RelationRow:
    """That an event relates to another one."""

    target_event_id: EventId
    rel_type: str
    aggregation_key: str | None


@attrs.frozen(slots=True)
class NotificationRow:
    """What the rules of one user make of an event, where the room's ordinals do not say so.

    That the ordinals may count the event as well is for the reader of the row to regard.
    """

    user_id: UserId
    notify: bool
    highlight: bool


@attrs.frozen(slots=True)
class RedactionRow:
    """That an event is replaced by its redacted form.

    ``member`` is whose member event it is, if it is one: it names nobody any more.
    """

    target_nid: int
    pdu: bytes
    redacted_by: EventId
    was_related: bool
    member: UserId | None = None


@attrs.frozen(slots=True)
class NewRoom:
    """A room that begins with this event."""

    room_id: RoomId
    version: str
    shard: int
    published: bool
    created_ts: int


@attrs.define(slots=True, eq=False)
class EventAppend:
    """An event to append to its room, and every row that follows from it."""

    stored: StoredEvent
    new_room: NewRoom | None = None
    membership: MembershipRow | None = None
    relation: RelationRow | None = None
    notifications: tuple[NotificationRow, ...] = ()
    redaction: RedactionRow | None = None
    extremities: tuple[int, ...] | None = None
    """All forward extremities after this event, when they are several or were several before."""
