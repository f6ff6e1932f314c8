"""A room as readers see it: what has been committed, kept current by the log's entries."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import EventId, ServerName, UserId, server_name_of
from homeserver.domain.policy_servers import POLICY_KEY, PolicyServer, policy_server
from homeserver.domain.power_levels import POWER_LEVELS_KEY, PowerLevels
from homeserver.domain.room_versions import RoomVersion, room_version
from homeserver.ports.rooms.events import (
    EventAppend,
    NotificationRow,
    StateChange,
    StoredEvent,
)
from homeserver.ports.rooms.receipts import ReceiptRow
from homeserver.ports.rooms.rooms import MemberRow, Order, RoomRow, RoomSnapshot

MEMBER = "m.room.member"
CREATE: StateKey = ("m.room.create", "")
NOWHERE: Order = (-1, 0)

# Timeline events kept in memory for each room.
TAIL = 40

# How many changes of the set of servers are remembered, so that it is known at events of a batch.
SERVER_CHANGES = 64


class Member(NamedTuple):
    """One user's membership: what, by which event, under which name."""

    membership: str
    nid: int
    display_name: str | None


class RoomView:
    """The committed state and newest events of one room."""

    def __init__(self, snapshot: RoomSnapshot) -> None:
        row: RoomRow = snapshot.row
        self.nid = row.room_nid
        self.room_id = row.room_id
        self.shard = row.shard
        self.published = row.published
        self.version: RoomVersion = room_version(row.version)
        self.state: dict[StateKey, StoredEvent] = {
            e.event.state_map_key(): e for e in snapshot.state
        }
        self.members: dict[UserId, Member] = {}
        self.counts: dict[str, int] = {}
        self._joined_from: dict[ServerName, int] = {}
        self._server_changes: deque[tuple[int, frozenset[ServerName]]] = deque(
            maxlen=SERVER_CHANGES
        )
        for member in snapshot.members:
            self._set_member(member)
        self.tail: deque[StoredEvent] = deque(snapshot.tail)
        """The newest timeline events, oldest first: every one after ``tail_after``."""
        self.tail_after: Order = NOWHERE
        if snapshot.older and self.tail:
            first = self.tail[0]
            self.tail_after = (first.position, first.sub - 1)
        self.extremities: list[StoredEvent] = snapshot.extremities
        newest = self.tail[-1] if self.tail else None
        self.ordinal = newest.ordinal if newest else 0
        self.room_highlight_ordinal = newest.room_highlight_ordinal if newest else 0
        self.position = newest.position if newest else 0
        self.receipts: OrderedDict[tuple[str, str, str], ReceiptRow] = OrderedDict(
            ((r.user_id, r.receipt_type, r.thread_id), r) for r in snapshot.receipts
        )
        """By (user, type, thread), in the order of their positions."""
        self.typing: tuple[UserId, ...] = ()
        self.typing_position = 0
        self.notifications: dict[int, tuple[NotificationRow, ...]] = {}
        """By number of an event of the tail: whom it notifies beyond the ordinals."""
        self.notifications_after: Order = newest.order if newest else NOWHERE
        """They are known of the events after this place."""
        self.threaded_readers: dict[UserId, set[str]] = {}
        for receipt in snapshot.receipts:
            self._note_thread(receipt)
        if snapshot.receipts:
            self.position = max(self.position, snapshot.receipts[-1].position)
        self.state_changed = max(self.position, snapshot.resolved_position)
        """From this position on the current state is what it is now, or from an earlier one."""
        self.resolved_position = snapshot.resolved_position
        """Where the state changed last otherwise than by the event there."""
        self.gap_position = snapshot.gap_position
        """The last place before which the timeline lacks events; 0 without gaps."""
        self.told: Mapping[UserId, Sequence[bytes]] = snapshot.told
        """By user: the stripped state that another server told them, as this one is not in the
        room."""
        self.related: set[EventId] = set(snapshot.related)
        """Events that something in the tail relates to."""
        self.previous: dict[int, StoredEvent] = {}
        """By number of a state event of the tail: the event whose place it took."""
        self.fragments: dict[object, object] = {}
        """Parts of answers that were built since the last change, by what they depend on."""
        self._power_levels: PowerLevels | None = None

    @property
    def is_known(self) -> bool:
        """Whether this server has, or had once, the state of the room.

        It has not where its users were invited to the room or knocked there, and no more.
        """
        return CREATE in self.state

    @property
    def create(self) -> StoredEvent:
        """The event that made the room, which is known."""
        return self.state[CREATE]

    @property
    def joined_servers(self) -> Collection[ServerName]:
        """The servers of the users who are in the room."""
        return self._joined_from.keys()

    @property
    def power_levels(self) -> PowerLevels:
        """The power levels in force."""
        if self._power_levels is None:
            event = self.state.get(POWER_LEVELS_KEY)
            self._power_levels = PowerLevels.of(
                event.event.content if event else None, self.create.event
            )
        return self._power_levels

    @property
    def policy_server(self) -> PolicyServer | None:
        """The policy server that the room uses."""
        event = self.state.get(POLICY_KEY)
        return policy_server(event.event.content, self.joined_servers) if event else None

    def membership(self, user_id: UserId) -> str:
        """What a user is to the room; "leave" for who never was in it."""
        member = self.members.get(user_id)
        return member.membership if member is not None else "leave"

    def is_joined(self, user_id: UserId) -> bool:
        """Whether a user is in the room."""
        return self.membership(user_id) == "join"

    @property
    def joined_count(self) -> int:
        """How many users are in the room."""
        return self.counts.get("join", 0)

    @property
    def invited_count(self) -> int:
        """How many users are invited."""
        return self.counts.get("invite", 0)

    def joined(self) -> Iterator[UserId]:
        """The users who are in the room."""
        return (user for user, member in self.members.items() if member.membership == "join")

    def servers_before_and_after(
        self, position: int
    ) -> tuple[frozenset[ServerName], frozenset[ServerName]]:
        """The servers that were in the room before the event at a position, which is one of the
        newest, and after it."""
        after = frozenset(self._joined_from)
        for changed, before in reversed(self._server_changes):
            if changed == position:
                return before, after
            if changed < position:
                break
            after = before
        return after, after

    def holder(self, key: StateKey) -> int | None:
        """The number of the event that holds a place of the current state."""
        if key[0] == MEMBER:
            member = self.members.get(UserId(key[1]))
            return member.nid if member is not None else None
        stored = self.state.get(key)
        return stored.nid if stored is not None else None

    def content(self, type: str, state_key: str = "") -> dict[str, object]:
        """The content of a current state event (not of members); {} when there is none."""
        event = self.state.get((type, state_key))
        return event.event.content if event is not None else {}

    def after(self, order: Order) -> list[StoredEvent] | None:
        """The timeline events after a place, oldest first; None when memory does not reach back."""
        if order < self.tail_after:
            return None
        found = []
        for event in reversed(self.tail):
            if event.order <= order:
                break
            found.append(event)
        found.reverse()
        return found

    def knows_notifications_after(self, position: int) -> bool:
        """Whether memory holds the events after a position, and all whom they notify."""
        order = (position, 0)
        return order >= self.tail_after and order >= self.notifications_after

    def may_be_related(self, stored: StoredEvent) -> bool:
        """Whether other events may relate to an event; certain for the newest ones."""
        return stored.order <= self.tail_after or stored.event.event_id in self.related

    @property
    def receipts_position(self) -> int:
        """The position of the receipt that moved last; 0 without any."""
        newest = next(reversed(self.receipts.values()), None)
        return newest.position if newest is not None else 0

    def receipts_after(self, position: int) -> list[ReceiptRow]:
        """The receipts that moved after a position."""
        found = []
        for receipt in reversed(self.receipts.values()):
            if receipt.position <= position:
                break
            found.append(receipt)
        return found

    def apply_event(self, append: EventAppend, previous: StoredEvent | None) -> None:
        """Take in an event that was committed."""
        self.fragments.clear()
        stored = append.stored
        event = stored.event
        servers = None
        if append.membership is not None or append.resolved:
            servers = frozenset(self._joined_from)
        if event.state_key is not None and append.takes_effect:
            self._set_state(StateChange(event.state_map_key(), stored, append.membership))
            self.state_changed = stored.position
        for resolved in append.resolved:
            self._set_state(resolved)
        if servers is not None and servers != self._joined_from.keys():
            self._server_changes.append((stored.position, servers))
        if append.changes_state_otherwise:
            self.state_changed = self.resolved_position = stored.position
        if append.missing:
            self.gap_position = stored.position
        if previous is not None:
            self.previous[stored.nid] = previous
        if append.notifications:
            self.notifications[stored.nid] = append.notifications
        if append.relation is not None:
            self.related.add(append.relation.target_event_id)
        self.tail.append(stored)
        if len(self.tail) > TAIL:
            gone = self.tail.popleft()
            self.tail_after = gone.order
            self.previous.pop(gone.nid, None)
            self.notifications.pop(gone.nid, None)
            if not gone.position % 64:
                # Forget now and then which old events something relates to.
                self.related.intersection_update({e.event.event_id for e in self.tail})
        self.ordinal = stored.ordinal
        self.room_highlight_ordinal = stored.room_highlight_ordinal
        self.position = max(self.position, stored.position)

    def _set_state(self, change: StateChange) -> None:
        key, stored, member = change.key, change.stored, change.membership
        if member is not None:
            if stored is None:
                known = self.members.pop(member.user_id, None)
                if known is not None:
                    self._count_out(member.user_id, known)
                return
            self._set_member(
                MemberRow(member.user_id, member.membership, stored.nid, member.display_name)
            )
        elif stored is not None:
            self.state[key] = stored
        else:
            self.state.pop(key, None)
        if key == POWER_LEVELS_KEY:
            self._power_levels = None

    def replace(self, redacted: StoredEvent) -> None:
        """Put the redacted form of an event in its place."""
        self.fragments.clear()
        for index, event in enumerate(self.tail):
            if event.nid == redacted.nid:
                self.tail[index] = redacted
        key = (redacted.event.type, redacted.event.state_key)
        held = self.state.get(key) if key[1] is not None else None  # type: ignore[arg-type]
        if held is not None and held.nid == redacted.nid:
            self.state[redacted.event.state_map_key()] = redacted
            self._power_levels = None
        for nid, event in self.previous.items():
            if event.nid == redacted.nid:
                self.previous[nid] = redacted

    def forget_name(self, user_id: UserId, nid: int) -> None:
        """The member event that named a user was redacted."""
        member = self.members.get(user_id)
        if member is not None and member.nid == nid:
            self.members[user_id] = member._replace(display_name=None)

    def apply_receipts(self, receipts: tuple[ReceiptRow, ...]) -> None:
        """Take in receipts that moved."""
        self.fragments.clear()
        for receipt in receipts:
            key = (receipt.user_id, receipt.receipt_type, receipt.thread_id)
            self.receipts[key] = receipt
            self.receipts.move_to_end(key)
            self._note_thread(receipt)
            self.position = max(self.position, receipt.position)

    def apply_typing(self, user_ids: tuple[UserId, ...], position: int) -> None:
        """Take in who types."""
        self.fragments.clear()
        self.typing = user_ids
        self.typing_position = position
        self.position = max(self.position, position)

    def _note_thread(self, receipt: ReceiptRow) -> None:
        if receipt.thread_id:
            self.threaded_readers.setdefault(receipt.user_id, set()).add(receipt.thread_id)

    def read_receipt(self, user_id: UserId) -> ReceiptRow | None:
        """The furthest unthreaded receipt of a user, public or private."""
        public = self.receipts.get((user_id, "m.read", ""))
        private = self.receipts.get((user_id, "m.read.private", ""))
        if public is None or private is None:
            return public or private
        return max(public, private, key=lambda r: r.read_order)

    def _set_member(self, row: MemberRow) -> None:
        known = self.members.get(row.user_id)
        if known is not None:
            self._count_out(row.user_id, known)
        self.counts[row.membership] = self.counts.get(row.membership, 0) + 1
        if row.membership == "join":
            server = server_name_of(row.user_id)
            self._joined_from[server] = self._joined_from.get(server, 0) + 1
        self.members[row.user_id] = Member(row.membership, row.event_nid, row.display_name)

    def _count_out(self, user_id: UserId, member: Member) -> None:
        self.counts[member.membership] -= 1
        if member.membership != "join":
            return
        server = server_name_of(user_id)
        self._joined_from[server] -= 1
        if not self._joined_from[server]:
            del self._joined_from[server]

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return (
            4000
            + 260 * len(self.members)
            + 300 * len(self.receipts)
            + sum(e.weight for e in self.tail)
            + sum(e.weight for e in self.state.values())
        )
