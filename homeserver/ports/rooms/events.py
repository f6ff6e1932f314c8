"""Events as they are stored: an immutable event and what this server knows of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from homeserver.domain.client_events import client_json
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, RoomId, UserId

SHARD_BITS = 8
FOREVER = 2**63 - 1
OUTSIDE = -1
"""The position of an event that is not in the timeline."""


def make_nid(position: int, shard: int) -> int:
    """The number of a row that was born at a position of a shard; unique in the deployment."""
    return position << SHARD_BITS | shard


def position_of_nid(nid: int) -> int:
    """The position at which a row was born."""
    return nid >> SHARD_BITS


def shard_of_nid(nid: int) -> int:
    """The shard in which a row was born."""
    return nid & (1 << SHARD_BITS) - 1


DELAYED = "delayed event "
"""What the transaction of an event that was sent later begins with, before its delay ID."""


class Standing(enum.IntEnum):
    """What became of an event. Only accepted events are in the timeline.

    An outlier is known, but not where it belongs. A rejected event takes no part in anything; a
    soft-failed one is passed over until others build on it (server-server API, "Soft failure").
    """

    ACCEPTED = 0
    OUTLIER = 1
    REJECTED = 2
    SOFT_FAILED = 3


@attrs.frozen(slots=True)
class StateAt:
    """A state of a room: what its history held at ``base``, but for ``delta``.

    ``base`` is a position of the room's history, or minus the number of a snapshot. ``delta`` gives
    the numbers of events by place, None for places that are not set.
    """

    base: int
    delta: Mapping[StateKey, int | None] = {}


@attrs.define(slots=True, eq=False)
class StoredEvent:
    """An event that this server has. Never changed once made (a redaction makes another).

    ``position, sub`` is its place in the stitched order. ``state_position`` is the position of the
    room's state history that equals the state before it, or minus the number of a snapshot.
    ``ordinal`` and ``room_highlight_ordinal`` count the room's notifying events up to and with this
    one. ``replaces_nid`` names the event that held the place of a state event before it.
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
    standing: Standing = Standing.ACCEPTED
    _client: bytes | None = None

    @property
    def state_before(self) -> StateAt:
        """The state before the event."""
        return StateAt(self.state_position)

    @property
    def state_after(self) -> StateAt:
        """The state after the event."""
        if self.event.state_key is None or self.standing is Standing.REJECTED:
            return self.state_before
        if self.state_position == self.position - 1 and self.sub == 0:
            # The room was in the state before it, and so also in the one after it.
            return StateAt(self.position)
        return StateAt(self.state_position, {self.event.state_map_key(): self.nid})

    @property
    def delay_id(self) -> str | None:
        """The delay ID under which the event was scheduled (MSC4140), if it was."""
        if self.txn_id is not None and not self.device_id and self.txn_id.startswith(DELAYED):
            return self.txn_id.removeprefix(DELAYED)
        return None

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


@attrs.frozen(slots=True)
class StateChange:
    """A place of the current state that resolution gave to another event, or to none.

    ``membership`` is what that makes of a user, where the place is that of a member.
    """

    key: StateKey
    stored: StoredEvent | None
    membership: MembershipRow | None = None


@attrs.frozen(slots=True)
class SnapshotRow:
    """A snapshot: a state by what it differs in from its base; ``nid`` is that of its event."""

    nid: int
    room_nid: int
    state: StateAt
    depth: int


@attrs.define(slots=True, eq=False)
class EventAppend:
    """An event to append to its room, and every row that follows from it.

    ``takes_effect`` is False for a state event that did not become current state, as resolution
    preferred another one; ``resolved`` are the places of the state that changed beside its own.
    ``missing`` are events it follows and nobody here has. ``was_known`` says that its row exists.
    """

    stored: StoredEvent
    new_room: NewRoom | None = None
    membership: MembershipRow | None = None
    relation: RelationRow | None = None
    notifications: tuple[NotificationRow, ...] = ()
    redaction: RedactionRow | None = None
    extremities: tuple[int, ...] | None = None
    """All forward extremities after this event, when they are several or were several before."""
    takes_effect: bool = True
    resolved: tuple[StateChange, ...] = ()
    snapshot: SnapshotRow | None = None
    missing: tuple[EventId, ...] = ()
    was_known: bool = False

    @property
    def changes_state_otherwise(self) -> bool:
        """Whether the current state changed otherwise than by this event."""
        return bool(self.resolved) or not self.takes_effect

    def memberships(self) -> list[tuple[MembershipRow, int]]:
        """Every change of membership, with the number of the member event (of this event, where
        none is left)."""
        changes = []
        if self.membership is not None and self.takes_effect:
            changes.append((self.membership, self.stored.nid))
        for change in self.resolved:
            if change.membership is not None:
                nid = change.stored.nid if change.stored is not None else self.stored.nid
                changes.append((change.membership, nid))
        return changes
