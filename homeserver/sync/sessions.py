"""Sessions: the users who look, what has touched each of them, and who waits.

A user who syncs is kept here for a while. Every committed batch touches the sessions of the rooms it
concerns: one dictionary entry a session. A sync then reads only what was touched after its token,
and an idle one reads nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from operator import gt

import attrs
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import UserId
from homeserver.log.entries import (
    AccountDataEntry,
    Entry,
    EventEntry,
    ForgottenEntry,
    PresenceEntry,
    ReceiptEntry,
    TypingEntry,
)
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.log.tokens import SyncToken
from homeserver.ports.account_data import AccountDataStore
from homeserver.ports.clock import Clock
from homeserver.ports.events import EventAppend
from homeserver.ports.rooms import RoomStore, UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.unread import UnreadCounter
from homeserver.sync.ignored_users import ignored_users

# How long a user without a waiting sync is kept, in seconds.
KEPT_SECONDS = 600

# Presence reaches the sessions of rooms with at most this many members.
PRESENCE_ROOM_LIMIT = 200


class Session:
    """One user who syncs, on however many devices."""

    def __init__(self, user_id: UserId, shards: int, shard: int) -> None:
        self.user_id = user_id
        self.shard = shard
        self.rooms: dict[int, UserRoom] = {}
        self.touched: list[OrderedDict[int, int]] = [OrderedDict() for _ in range(shards)]
        """By shard: rooms and the position of the newest thing in them, oldest first."""
        self.account_data_position = 0
        self.presence: OrderedDict[UserId, tuple[int, PresenceEntry]] = OrderedDict()
        """The newest presence of others, with its shard, in the order it came."""
        self.presence_positions = [0] * shards
        self.ignored: frozenset[UserId] = frozenset()
        self.devices: dict[str, KnownMembers] = {}
        self.used = 0.0
        self._waiters: list[Deferred[None]] = []

    def touch(self, nid: int, shard: int, position: int) -> None:
        """Something came in a room."""
        touched = self.touched[shard]
        touched[nid] = position
        touched.move_to_end(nid)

    def rooms_after(self, token: SyncToken, until: SyncToken) -> list[int]:
        """The rooms in which something came after a token."""
        found = []
        for shard, touched in enumerate(self.touched):
            since = token.positions[shard]
            if since >= until.positions[shard]:
                continue
            for nid in reversed(touched):
                if touched[nid] <= since:
                    break
                found.append(nid)
        found.reverse()
        return found

    def has_news(self, token: SyncToken) -> bool:
        """Whether anything came after a token."""
        for shard, touched in enumerate(self.touched):
            if touched and next(reversed(touched.values())) > token.positions[shard]:
                return True
        if self.account_data_position > token.positions[self.shard]:
            return True
        return any(map(gt, self.presence_positions, token.positions))

    def wait(self) -> Deferred[None]:
        """Resolves at the next wake-up."""
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def stop_waiting(self, waiter: Deferred[None]) -> None:
        """A sync gives up."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    @property
    def is_waiting(self) -> bool:
        """Whether a sync waits for this user."""
        return bool(self._waiters)

    def wake(self) -> None:
        """Let every waiting sync of the user look."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)


@attrs.define(slots=True)
class KnownMembers:
    """Which members a device was sent, so that lazily loaded ones are not sent again.

    What an answer carried counts once the device comes back with that answer's token.
    """

    known: dict[int, set[UserId]] = attrs.Factory(dict)
    pending: dict[str, list[tuple[int, UserId]]] = attrs.Factory(dict)

    def acknowledge(self, token: str) -> None:
        """The device has received the answer that ended in a token."""
        for nid, user_id in self.pending.pop(token, ()):
            self.known.setdefault(nid, set()).add(user_id)
        # Answers that were never received, or that another sync overtook.
        if len(self.pending) > 4:
            self.pending.clear()
        if len(self.known) > 500:
            self.known.clear()

    def forget(self, nid: int, user_id: UserId) -> None:
        """A member changed."""
        self.known.get(nid, set()).discard(user_id)


class Sessions:
    """Every session of this process."""

    def __init__(
        self,
        log: Log,
        directory: RoomDirectory,
        account_data: AccountDataStore,
        unread: UnreadCounter,
        clock: Clock,
    ) -> None:
        self._log = log
        self._directory = directory
        self._account_data = account_data
        self._unread = unread
        self._clock = clock
        self._sessions: dict[UserId, Session] = {}
        self._in_room: dict[int, set[Session]] = {}
        self._loading: dict[UserId, list[Deferred[None]]] = {}
        self._wake: dict[Session, None] = {}
        self._recent: tuple[Entry, ...] = ()
        log.subscribe(self._apply)
        clock.call_later(KEPT_SECONDS / 2, self._sweep)

    @property
    def _rooms(self) -> RoomStore:
        return self._directory.store

    async def of(self, user_id: UserId) -> Session:
        """The session of a user, loaded if need be."""
        while user_id in self._loading:
            waiting: Deferred[None] = Deferred()
            self._loading[user_id].append(waiting)
            await waiting
        session = self._sessions.get(user_id)
        if session is None:
            self._loading[user_id] = []
            try:
                session = await self._load(user_id)
            finally:
                for waiting in self._loading.pop(user_id):
                    waiting.callback(None)
        session.used = self._clock.monotonic()
        return session

    def active(self, user_id: UserId) -> Session | None:
        """The session of a user who syncs."""
        return self._sessions.get(user_id)

    async def _load(self, user_id: UserId) -> Session:
        shards = self._log.shards
        while True:
            before = list(self._log.published)
            session = Session(user_id, shards, shard_of_user(user_id, shards))
            rooms = await self._rooms.rooms_of_user(user_id)
            data = await self._account_data.since(user_id, 0)
            if before == self._log.published:
                break
            # Something was committed while we read. What concerned this user may be in the rows or
            # not; positions tell, so take the rows and let the entries be applied over them again.
            if not self._missed(user_id, rooms, before):
                break
        for room in sorted(rooms, key=lambda r: r.last_position):
            session.rooms[room.room_nid] = room
            newest = room.last_position if room.membership == "join" else room.position
            session.touch(room.room_nid, room.shard, max(newest, self._newest(room)))
        for row in data:
            session.account_data_position = max(session.account_data_position, row.position)
            if row.room_id is None and row.type == "m.ignored_user_list":
                session.ignored = ignored_users(row.content)
        self._sessions[user_id] = session
        for room in session.rooms.values():
            if room.membership == "join":
                self._in_room.setdefault(room.room_nid, set()).add(session)
        return session

    def _newest(self, room: UserRoom) -> int:
        actor = self._directory.loaded(room.room_nid)
        return actor.view.position if actor is not None and room.membership == "join" else 0

    def _missed(self, user_id: UserId, rooms: Sequence[UserRoom], before: list[int]) -> bool:
        """Whether an entry that came since ``before`` may concern the user or their rooms."""
        mine = {room.room_nid for room in rooms}
        return any(
            entry.position > before[entry.shard] and self._concerns(entry, user_id, mine)
            for entry in self._recent
        )

    @staticmethod
    def _concerns(entry: Entry, user_id: UserId, rooms: set[int]) -> bool:
        match entry:
            case EventEntry():
                member = entry.append.membership
                return entry.append.stored.room_nid in rooms or (
                    member is not None and member.user_id == user_id
                )
            case ReceiptEntry() | TypingEntry():
                return entry.room_nid in rooms
            case AccountDataEntry() | ForgottenEntry():
                return entry.user_id == user_id
        return False

    # --- what the log brings

    def _apply(self, entries: Sequence[Entry]) -> None:
        if self._loading:
            self._recent = (*self._recent, *entries)
        elif self._recent:
            self._recent = ()
        for entry in entries:
            match entry:
                case EventEntry():
                    self._apply_event(entry.append, entry.shard)
                case ReceiptEntry() | TypingEntry():
                    self._touch_room(entry.room_nid, entry.shard, entry.position)
                case AccountDataEntry():
                    self._apply_account_data(entry)
                case PresenceEntry():
                    self._apply_presence(entry)
                case ForgottenEntry():
                    self._apply_forgotten(entry)
        if self._wake:
            # In a turn of its own, so that whoever wrote is answered first.
            wake, self._wake = self._wake, {}
            self._clock.call_later(0, self._wake_all, list(wake))

    def _wake_all(self, sessions: list[Session]) -> None:
        for session in sessions:
            session.wake()

    def _touch_room(self, nid: int, shard: int, position: int) -> None:
        for session in self._in_room.get(nid, ()):
            session.touch(nid, shard, position)
            if session.is_waiting:
                self._wake[session] = None

    def _apply_event(self, append: EventAppend, shard: int) -> None:
        stored = append.stored
        change = append.membership
        if change is not None:
            for session in self._in_room.get(stored.room_nid, ()):
                for device in session.devices.values():
                    device.forget(stored.room_nid, change.user_id)
            target = self._sessions.get(change.user_id)
            if target is not None:
                self._change_membership(target, append, shard)
        self._touch_room(stored.room_nid, shard, stored.position)

    def _change_membership(self, session: Session, append: EventAppend, shard: int) -> None:
        stored, change = append.stored, append.membership
        assert change is not None
        nid = stored.room_nid
        known = session.rooms.get(nid)
        comes_in = change.membership == "join" and (known is None or known.membership != "join")
        joined = known if not comes_in else None
        session.rooms[nid] = UserRoom(
            room_nid=nid,
            room_id=stored.event.room_id,
            shard=shard,
            membership=change.membership,
            event_nid=stored.nid,
            position=stored.position,
            sender=change.sender,
            joined_position=(
                stored.position if comes_in else joined.joined_position if joined else 0
            ),
            ordinal=stored.ordinal if comes_in else joined.ordinal if joined else 0,
            room_highlight_ordinal=(
                stored.room_highlight_ordinal
                if comes_in
                else joined.room_highlight_ordinal
                if joined
                else 0
            ),
            forgotten=False,
        )
        here = self._in_room.setdefault(nid, set())
        if change.membership == "join":
            here.add(session)
        else:
            here.discard(session)
        session.touch(nid, shard, stored.position)
        self._wake[session] = None

    def _apply_account_data(self, entry: AccountDataEntry) -> None:
        session = self._sessions.get(entry.user_id)
        if session is None:
            return
        session.account_data_position = entry.position
        self._wake[session] = None
        if entry.type == "m.ignored_user_list" and entry.room_id is None:
            Deferred.fromCoroutine(self._reload_ignored(session))
        if entry.type == "m.push_rules":
            self._unread.forget([entry.user_id])

    async def _reload_ignored(self, session: Session) -> None:
        row = await self._account_data.get(session.user_id, None, "m.ignored_user_list")
        session.ignored = ignored_users(row.content) if row is not None else frozenset()
        self._unread.forget([session.user_id])

    def _apply_presence(self, entry: PresenceEntry) -> None:
        for session in self.who_see(entry.user_id):
            session.presence[entry.user_id] = (entry.shard, entry)
            session.presence.move_to_end(entry.user_id)
            session.presence_positions[entry.shard] = entry.position
            self._wake[session] = None

    def who_see(self, user_id: UserId) -> set[Session]:
        """The sessions that share a room of bearable size with a user, and the user's own."""
        own = self._sessions.get(user_id)
        if own is None:
            return set()
        seers = {own}
        for nid, room in own.rooms.items():
            if room.membership == "join":
                seers.update(self.who_look_at(nid))
        return seers

    def who_look_at(self, nid: int) -> Iterable[Session]:
        """The sessions in a room, if it is small enough for presence."""
        actor = self._directory.loaded(nid)
        if actor is None or actor.view.joined_count > PRESENCE_ROOM_LIMIT:
            return ()
        return self._in_room.get(nid, ())

    def _apply_forgotten(self, entry: ForgottenEntry) -> None:
        session = self._sessions.get(entry.user_id)
        if session is not None:
            for nid, room in list(session.rooms.items()):
                if room.room_id == entry.room_id:
                    session.rooms[nid] = attrs.evolve(room, forgotten=True)

    # --- letting go

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for session in list(self._sessions.values()):
            if not session.is_waiting and now - session.used > KEPT_SECONDS:
                self._let_go(session)
        self._clock.call_later(KEPT_SECONDS / 2, self._sweep)

    def _let_go(self, session: Session) -> None:
        del self._sessions[session.user_id]
        for nid in session.rooms:
            here = self._in_room.get(nid)
            if here is not None:
                here.discard(session)
                if not here:
                    del self._in_room[nid]

    def clear_waiting(self) -> None:
        """Wake everyone, as the server is about to stop."""
        for session in list(self._sessions.values()):
            session.wake()
