"""The room actor: the one writer of a room.

It builds each event on the newest state, committed or not, authorises it, and appends it to the
log. Everything between reading the state and appending happens in one turn of the reactor, so the
forward extremities of a room never race. When a commit fails, the actor is done for: whatever it
built on that commit fails too, and the next request loads the room anew from the database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import attrs
from twisted.internet.defer import Deferred

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import DatabaseUnavailable, Forbidden
from homeserver.domain.event_format import MAX_PREV_EVENTS
from homeserver.domain.events import (
    Event,
    EventDraft,
    EventReference,
    StateKey,
    build_event,
    reference_of,
)
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.domain.power_levels import POWER_LEVELS_KEY, PowerLevels
from homeserver.domain.relations import thread_root_of
from homeserver.domain.room_versions import EventFormat
from homeserver.domain.signing import SigningKey
from homeserver.log.log import Chain, Log
from homeserver.ports.clock import Clock
from homeserver.ports.database import Transaction
from homeserver.ports.federation.policy_servers import PolicyServers
from homeserver.ports.rooms.events import (
    EventAppend,
    NewRoom,
    NotificationRow,
    SnapshotRow,
    StateAt,
    StateChange,
    StoredEvent,
    make_nid,
)
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.event_rows import (
    membership_row,
    redacted_form,
    redaction_row,
    relation_row,
    require_storable,
)
from homeserver.rooms.transactions import TransactionIds
from homeserver.rooms.view import CREATE, MEMBER, Member, RoomView


@attrs.frozen(slots=True)
class NewEvent:
    """What a sender asks to be appended to a room.

    ``device_id`` and ``txn_id`` are those of a request that may be repeated. ``target`` is the
    event that an m.room.redaction redacts, if this server has it.
    """

    type: str
    sender: UserId
    content: JsonObject
    state_key: str | None = None
    redacts: EventId | None = None
    target: StoredEvent | None = None
    device_id: str | None = None
    txn_id: str | None = None
    origin_server_ts: int | None = None


@attrs.frozen(slots=True)
class Counted:
    """How an event counts: for the room's ordinals, and for single users."""

    notifies: bool
    room_highlight: bool
    notifications: tuple[NotificationRow, ...] = ()


class Counter(Protocol):
    """Decides how events count; see :mod:`homeserver.rooms.counting`."""

    async def prepare(self, content: JsonObject) -> None:
        """Bring into memory what counting an event with this content needs."""
        ...

    def count(self, event: Event, room: RoomView, power_levels: PowerLevels) -> Counted:
        """How an event counts."""
        ...


class Recommender(PolicyServers, Protocol):
    """Has events of this server recommended, and takes in those that were."""

    async def take_in(self, room_nid: int, event: Event, new: NewEvent) -> StoredEvent:
        """Append a recommended event. The room may have moved on since it was built: then it is
        judged as events of other servers are. Raises Forbidden when it is not allowed any more."""
        ...


@attrs.frozen(slots=True)
class Author:
    """What this server signs and counts its events with. Without a ``recommender`` no policy server
    is asked."""

    server_name: ServerName
    signing_key: SigningKey
    clock: Clock
    counter: Counter
    new_event_id: Callable[[], EventId]
    recommender: Recommender | None = None


class HeadsMoved(Exception):
    """The room has moved on while something was worked out for an event that others made."""


@attrs.frozen(slots=True)
class RemoteEvent:
    """An event that another server made, or signed, and that was found to be allowed.

    What is here holds as long as ``heads`` are the forward extremities. ``prevs`` are those of its
    previous events that are here, ``missing`` the others. ``before`` is the state before it (None:
    the newest one), with ``depth`` snapshots below it. ``takes_effect`` and ``resolved``: see
    :class:`homeserver.ports.rooms.events.EventAppend`. ``nid`` is its number, if it has one;
    ``known`` is the outlier that it was so far, ``target`` the event that it redacts, and
    ``redacted_by`` the event that has redacted it already. ``device_id`` and ``txn_id``: see
    `NewEvent`.
    """

    event: Event
    heads: frozenset[int]
    prevs: frozenset[int]
    before: StateAt | None = None
    depth: int = 0
    takes_effect: bool = True
    resolved: tuple[StateChange, ...] = ()
    nid: int | None = None
    known: StoredEvent | None = None
    target: StoredEvent | None = None
    redacted_by: EventId | None = None
    missing: tuple[EventId, ...] = ()
    device_id: str | None = None
    txn_id: str | None = None


class _Ahead(NamedTuple):
    """What holds a place of the newest state, by which event that is not committed yet."""

    by: int
    event: StoredEvent | None


class _HeadState(Mapping[StateKey, Event]):
    """The state that the next event is checked against, as the authorisation rules look at it."""

    def __init__(self, actor: RoomActor) -> None:
        self._actor = actor

    def __getitem__(self, key: StateKey) -> Event:
        found = self._actor.head_event(key)
        if found is None:
            raise KeyError(key)
        return found.event

    def __iter__(self) -> Iterator[StateKey]:
        yield from self._actor.head_keys()

    def __len__(self) -> int:
        return sum(1 for _ in self)


class RoomActor:
    """One room, while it is in memory."""

    def __init__(
        self,
        view: RoomView,
        log: Log,
        events: EventCache,
        author: Author,
        on_break: Callable[[RoomActor], None],
    ) -> None:
        self.view = view
        self.transactions = TransactionIds(view.nid, events.store)
        self._log = log
        self._events = events
        self._author = author
        self._chain = Chain(lambda: on_break(self))
        self._state = _HeadState(self)
        # What was built and not yet committed lies over the view.
        self._ahead: dict[StateKey, _Ahead] = {}
        self._ahead_members: dict[UserId, Member] = {}
        self._uncommitted: dict[int, StoredEvent | None] = {}
        self._extremities = list(view.extremities)
        self._ordinal = view.ordinal
        self._room_highlight_ordinal = view.room_highlight_ordinal

    @property
    def busy(self) -> bool:
        """Whether something is on its way to the database."""
        return bool(self._uncommitted)

    @property
    def is_broken(self) -> bool:
        """Whether a commit failed, so that this actor must not be used any more."""
        return self._chain.broken

    @property
    def has_state_ahead(self) -> bool:
        """Whether a change of the state is on its way to the database."""
        return bool(self._ahead)

    # --- the newest state, committed or not

    def head_event(self, key: StateKey) -> StoredEvent | None:
        """The newest state event of a place, if it is set and (for members) in memory."""
        ahead = self._ahead.get(key)
        if ahead is not None:
            return ahead.event
        if key[0] == MEMBER:
            member = self.view.members.get(UserId(key[1]))
            return self._events.get(member.nid) if member is not None else None
        return self.view.state.get(key)

    def head_keys(self) -> Iterator[StateKey]:
        """Every place that is set in the newest state."""
        keys = dict.fromkeys(self.view.state)
        keys.update(dict.fromkeys((MEMBER, user) for user in self.view.members))
        keys.update(dict.fromkeys(self._ahead))
        return (key for key in keys if key not in self._ahead or self._ahead[key].event is not None)

    def head_membership(self, user_id: UserId) -> str:
        """The newest membership of a user."""
        member = self._ahead_members.get(user_id) or self.view.members.get(user_id)
        return member.membership if member is not None else "leave"

    def head_power_levels(self) -> PowerLevels:
        """The newest power levels."""
        if POWER_LEVELS_KEY not in self._ahead and CREATE not in self._ahead:
            return self.view.power_levels
        return PowerLevels.in_state(self._state, self._create_event())

    def _create_event(self) -> Event:
        created = self._ahead.get(CREATE)
        return (created.event if created and created.event else self.view.create).event

    @property
    def head_state(self) -> Mapping[StateKey, Event]:
        """The newest state as the authorisation rules look at it; of members those in memory."""
        return self._state

    @property
    def is_resident(self) -> bool:
        """Whether this server may write to the room on its own.

        It must have a user in there, or nobody may be left in the room: otherwise what it has of
        the room is from when it took part, and others have gone on since.
        """
        view, here = self.view, self._author.server_name
        return view.is_known and (here in view.joined_servers or not view.joined_servers)

    @property
    def heads(self) -> list[StoredEvent]:
        """The forward extremities, which the next event of this server follows."""
        return list(self._extremities)

    # --- appending

    async def append(self, new: NewEvent) -> StoredEvent:
        """Build, authorise and append an event; resolves after its commit.

        Raises Forbidden when the authorisation rules refuse it, BadJson or TooLarge for content
        that cannot be an event, DatabaseUnavailable when it could not be stored; what the policy
        server of the room says when it does not recommend it.
        """
        await self.prepare([new])
        recommender = self._author.recommender
        if recommender is not None and self.view.policy_server is not None:
            # It must not cite what may not be stored in the end.
            await self.settled()
            await self.prepare([new])
            event = await self.recommended(self.propose(new))
            return await recommender.take_in(self.view.nid, event, new)
        stored, committed = self.append_now(new)
        await committed
        return stored

    async def prepare(self, news: Sequence[NewEvent]) -> None:
        """Bring into memory what appending these needs. ``append_now`` may follow at once."""
        for new in news:
            if "m.mentions" in new.content:
                await self._author.counter.prepare(new.content)
        while True:
            missing = [
                self.view.members[UserId(key[1])].nid
                for new in news
                for key in self._auth_keys(new)
                if key[0] == MEMBER
                and self.head_event(key) is None
                and UserId(key[1]) in self.view.members
            ]
            if not missing:
                return
            await self._events.fetch(missing)

    def append_now(self, new: NewEvent) -> tuple[StoredEvent, Deferred[None]]:
        """Build, authorise and append in this turn of the reactor, after ``prepare``.

        Returns the event and what resolves after its commit. Raises as :meth:`append`; nothing has
        changed then.
        """
        append = self._make(new)
        return append.stored, self.queue(append)

    def mend(
        self, new: NewEvent, changes: Sequence[StateChange]
    ) -> tuple[StoredEvent, Deferred[None]]:
        """Append an event with which places of the state that went wrong are given to others.

        It is built and authorised on the state with these changes, and says so to whoever builds
        on it. Nothing may be on its way to the database; after ``prepare``. Returns and raises as
        :meth:`append_now`.
        """
        assert not self._ahead, "the room is settled"
        self._ahead = {change.key: _Ahead(0, change.stored) for change in changes}
        try:
            append = self._make(new, tuple(changes))
        except BaseException:
            self._ahead = {}
            raise
        return append.stored, self.queue(append)

    def propose(self, new: NewEvent) -> Event:
        """Build and authorise an event without appending it, after ``prepare``.

        For events that another server has to sign before they count. Raises as :meth:`append`.
        """
        require_storable(new.type, new.state_key, new.txn_id, new.content)
        self._require_resident()
        event = self._build(new)
        check_event_auth(event, self._state, self._create_event())
        return event

    async def recommended(self, event: Event) -> Event:
        """A proposed event with the signature of the room's policy server, if the room has one.

        Raises what the policy server says when it does not recommend the event, UnableToRetrieve
        when it says nothing.
        """
        recommender, policy = self._author.recommender, self.view.policy_server
        if recommender is None or policy is None:
            return event
        return await recommender.recommended(event, policy)

    async def settled(self) -> None:
        """Resolve when everything that was appended before has been committed.

        Raises DatabaseUnavailable when something could not be stored.
        """
        if self.busy:
            await self._log.write(_nothing)
        if self._chain.broken:
            raise DatabaseUnavailable(500, "An earlier change was not stored")

    def begin(
        self,
        creation: NewEvent,
        following: Callable[[RoomId], Sequence[NewEvent]],
        new_room: NewRoom,
    ) -> list[EventAppend]:
        """Build the events that make the room, for ``queue_together``.

        Raises as :meth:`append`; the actor is of no use then.
        """
        first = self._make(creation)
        self.view.room_id = first.stored.event.room_id
        first.new_room = attrs.evolve(new_room, room_id=self.view.room_id)
        return [first, *(self._make(new) for new in following(self.view.room_id))]

    def queue(self, append: EventAppend) -> Deferred[None]:
        """Hand an event that was built to the log; resolves after its commit."""
        return self._log.append_event(append, self.view.shard, self._chain)

    def queue_together(self, appends: Sequence[EventAppend]) -> Deferred[None]:
        """Hand events that were built to the log, which stores all of them or none."""
        return self._log.append_events(appends, self.view.shard, self._chain)

    def _require_resident(self) -> None:
        if CREATE not in self._ahead and not self.is_resident:
            raise Forbidden("This server is not in the room")

    def _auth_keys(self, new: NewEvent) -> list[StateKey]:
        return auth_event_keys(self.view.version, new.type, new.state_key, new.sender, new.content)

    def _build(self, new: NewEvent) -> Event:
        version = self.view.version
        author = self._author
        auth_events: list[EventReference] = []
        for key in self._auth_keys(new):
            found = self.head_event(key)
            if found is not None:
                auth_events.append(reference_of(found.event))
        is_creation = new.type == "m.room.create"
        implied_room_id = is_creation and version.room_id_is_create_hash
        draft = EventDraft(
            room_id=None if implied_room_id else self.view.room_id,
            type=new.type,
            sender=new.sender,
            state_key=new.state_key,
            content=new.content,
            origin_server_ts=new.origin_server_ts or author.clock.now_ms(),
            redacts=new.redacts,
        )
        return build_event(
            draft,
            version,
            prev_events=[reference_of(e.event) for e in self._followed()],
            auth_events=auth_events,
            depth=1 + max((e.event.depth for e in self._extremities), default=0),
            server_name=author.server_name,
            signing_key=author.signing_key,
            event_id=author.new_event_id() if version.event_format is EventFormat.V1 else None,
        )

    def _make(self, new: NewEvent, resolved: tuple[StateChange, ...] = ()) -> EventAppend:
        """Build and authorise an event and advance to it, so that the next one builds on it.

        ``resolved`` are places of the state that change before it.
        """
        if self._chain.broken:
            raise DatabaseUnavailable(500, "The room is being loaded again")
        view = self.view
        require_storable(new.type, new.state_key, new.txn_id, new.content)
        if new.type != "m.room.create" and not resolved:
            self._require_resident()
        event = self._build(new)
        if event.type == "m.room.create":
            check_event_auth(event, {}, None)
            counted = Counted(False, False)
        else:
            check_event_auth(event, self._state, self._create_event())
            counted = self._author.counter.count(event, view, self.head_power_levels())
        position = self._log.next_position(view.shard)
        previous = self.head_event(event.state_map_key()) if event.state_key is not None else None
        stored = self._stored(event, counted, position, previous)
        stored.state_position = position - 1
        if new.txn_id is not None:
            stored.device_id, stored.txn_id = new.device_id, new.txn_id
        append = EventAppend(
            stored=stored,
            membership=membership_row(event),
            relation=relation_row(event),
            notifications=counted.notifications,
            redaction=redaction_row(event, new.target),
            extremities=self._after(stored, {e.nid for e in self._followed()}),
            resolved=resolved,
        )
        if resolved:
            held = {c.key: c.stored.nid if c.stored is not None else None for c in resolved}
            stored.state_position = -stored.nid
            before = StateAt(position - 1, held)
            append.snapshot = SnapshotRow(stored.nid, view.nid, before, depth=0)
        self._step(append, previous)
        return append

    def append_remote(self, remote: RemoteEvent) -> tuple[StoredEvent, Deferred[None]]:
        """Append an event that another server made, in this turn of the reactor.

        Returns the event and what resolves after its commit. Raises HeadsMoved when the forward
        extremities are not those that the event was looked at with; DatabaseUnavailable.
        """
        if self._chain.broken:
            raise DatabaseUnavailable(500, "The room is being loaded again")
        if remote.heads != {e.nid for e in self._extremities}:
            raise HeadsMoved
        event = remote.event
        counted = self._author.counter.count(event, self.view, self.head_power_levels())
        position = self._log.next_position(self.view.shard)
        previous = self.head_event(event.state_map_key()) if event.state_key is not None else None
        stored = self._stored(event, counted, position, previous)
        stored.nid = remote.nid or stored.nid
        stored.redacted_by = remote.redacted_by
        stored.device_id, stored.txn_id = remote.device_id, remote.txn_id
        append = EventAppend(
            stored=stored,
            membership=membership_row(event),
            relation=relation_row(event),
            notifications=counted.notifications,
            redaction=redaction_row(event, remote.target),
            takes_effect=remote.takes_effect,
            resolved=remote.resolved,
            missing=remote.missing,
            was_known=remote.known is not None,
            extremities=self._after(stored, remote.prevs),
        )
        append.snapshot = self._refer_to_state(append, remote)
        self._step(append, previous)
        return stored, self.queue(append)

    def _refer_to_state(self, append: EventAppend, remote: RemoteEvent) -> SnapshotRow | None:
        """Note the state before an event: a place of the room's history, or else a snapshot."""
        stored, before = append.stored, remote.before
        if before is None:
            stored.state_position = stored.position - 1
            return None
        leads = before.base == stored.position - 1
        if not before.delta and not (leads and append.changes_state_otherwise):
            stored.state_position = before.base
            return None
        stored.state_position = -stored.nid
        return SnapshotRow(stored.nid, self.view.nid, before, remote.depth)

    def _stored(
        self, event: Event, counted: Counted, position: int, previous: StoredEvent | None
    ) -> StoredEvent:
        self._ordinal += counted.notifies
        self._room_highlight_ordinal += counted.room_highlight
        return StoredEvent(
            event=event,
            nid=make_nid(position, self.view.shard),
            room_nid=self.view.nid,
            position=position,
            sub=0,
            state_position=0,
            replaces_nid=previous.nid if previous is not None else None,
            ordinal=self._ordinal,
            room_highlight_ordinal=self._room_highlight_ordinal,
            notifies=counted.notifies,
            room_highlight=counted.room_highlight,
            thread_root=thread_root_of(event.content) if event.state_key is None else None,
            device_id=None,
            txn_id=None,
            redacted_by=None,
        )

    def _followed(self) -> list[StoredEvent]:
        """The forward extremities that the next event follows: all, unless they are very many."""
        return self._extremities[-MAX_PREV_EVENTS:]

    def _after(self, stored: StoredEvent, prevs: Collection[int]) -> tuple[int, ...] | None:
        """The forward extremities after an event, where they are worth noting."""
        before = self._extremities
        self._extremities = [*(e for e in before if e.nid not in prevs), stored]
        if len(before) <= 1 and len(self._extremities) == 1:
            return None
        return tuple(e.nid for e in self._extremities)

    def _step(self, append: EventAppend, previous: StoredEvent | None) -> None:
        """Advance to an event, so that the next one builds on it."""
        stored, event = append.stored, append.stored.event
        self._uncommitted[stored.nid] = previous
        if event.state_key is not None and append.takes_effect:
            self._ahead[event.state_map_key()] = _Ahead(stored.nid, stored)
        for change in append.resolved:
            self._ahead[change.key] = _Ahead(stored.nid, change.stored)
        for row, nid in append.memberships():
            self._ahead_members[row.user_id] = Member(row.membership, nid, row.display_name)

    # --- commits

    def committed(self, append: EventAppend) -> None:
        """Take in that an event of this actor was committed (called by the directory)."""
        stored = append.stored
        event = stored.event
        previous = self._uncommitted.pop(stored.nid, None)
        self.view.apply_event(append, previous)
        if event.state_key is not None and append.takes_effect:
            self._let_go(event.state_map_key(), stored, stored)
        for change in append.resolved:
            self._let_go(change.key, change.stored, stored)
        for row, nid in append.memberships():
            ahead = self._ahead_members.get(row.user_id)
            if ahead is not None and ahead.nid == nid:
                del self._ahead_members[row.user_id]
        if append.redaction is not None:
            self._redacted(append)

    def _let_go(self, key: StateKey, held: StoredEvent | None, by: StoredEvent) -> None:
        """A place of the state has been committed: the view has it now."""
        if held is not None and key[0] == MEMBER:
            self._events.put(held)
        ahead = self._ahead.get(key)
        if ahead is not None and ahead.by == by.nid:
            del self._ahead[key]

    def _redacted(self, append: EventAppend) -> None:
        redaction = append.redaction
        assert redaction is not None
        for event in [*self.view.tail, *self.view.state.values()]:
            if event.nid == redaction.target_nid:
                self.view.replace(redacted_form(event, redaction))
                break
        if redaction.member is not None:
            self.view.forget_name(redaction.member, redaction.target_nid)
        for nid, replaced in self._uncommitted.items():
            if replaced is not None and replaced.nid == redaction.target_nid:
                self._uncommitted[nid] = redacted_form(replaced, redaction)
        self._events.replace(redaction.target_nid, lambda stored: redacted_form(stored, redaction))


def _nothing(tx: Transaction) -> None:
    """Work whose end tells that what was queued before it has ended."""
