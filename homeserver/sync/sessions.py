"""Sessions: the users who look, what has touched each of them, and who waits.

A user who syncs is kept here for a while. Every committed batch touches the sessions of the rooms
it concerns: one dictionary entry a session. A sync then reads only what was touched after its
token, and an idle one reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import UserId
from homeserver.domain.invite_permission import INVITE_PERMISSION, blocks_invites
from homeserver.log.entries import (
    AccountDataEntry,
    Entry,
    EventEntry,
    ForgottenEntry,
    OutOfBandEntry,
    PresenceEntry,
    ReceiptEntry,
    TypingEntry,
)
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.clock import Clock
from homeserver.ports.personal.account_data import AccountDataRow, AccountDataStore
from homeserver.ports.rooms.events import EventAppend, MembershipRow, shard_of_nid
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView
from homeserver.sync.ignored_users import ignored_users
from homeserver.sync.session import Session

# How long a user without a waiting sync is kept, in seconds.
KEPT_SECONDS = 600

# Presence reaches the sessions of rooms with at most this many members.
PRESENCE_ROOM_LIMIT = 200

IGNORED_USERS = "m.ignored_user_list"


@attrs.define(slots=True)
class _Loading:
    """A session that is being read: who waits for it, and what was published meanwhile."""

    entries: list[Entry] = attrs.Factory(list)
    waiting: list[Deferred[None]] = attrs.Factory(list)


class Sessions:
    """Every session of this process."""

    def __init__(
        self, log: Log, directory: RoomDirectory, account_data: AccountDataStore, clock: Clock
    ) -> None:
        self._log = log
        self._directory = directory
        self._account_data = account_data
        self._clock = clock
        self._sessions: dict[UserId, Session] = {}
        self._in_room: dict[int, set[Session]] = {}
        self._loading: dict[UserId, _Loading] = {}
        self._wake: dict[Session, None] = {}
        log.subscribe(self._apply)
        directory.on_load.append(self._take_in_loaded)
        clock.call_later(KEPT_SECONDS / 2, self._sweep)

    async def of(self, user_id: UserId) -> Session:
        """The session of a user, loaded if need be."""
        while (loading := self._loading.get(user_id)) is not None:
            waiting: Deferred[None] = Deferred()
            loading.waiting.append(waiting)
            await waiting
        session = self._sessions.get(user_id)
        if session is None:
            session = await self._load(user_id)
        session.used = self._clock.monotonic()
        return session

    async def refresh_ignored(self, session: Session) -> None:
        """Read again whom a user ignores and whether they want invites, after that has changed."""
        user_id = session.user_id
        while session.ignored_outdated:
            session.ignored_outdated = False
            row = await self._account_data.get(user_id, None, IGNORED_USERS)
            session.ignored = ignored_users(row.content) if row is not None else frozenset()
            row = await self._account_data.get(user_id, None, INVITE_PERMISSION)
            session.blocks_invites = row is not None and blocks_invites(row.content)

    # --- loading

    async def _load(self, user_id: UserId) -> Session:
        loading = self._loading[user_id] = _Loading()
        try:
            rooms = await self._directory.store.rooms_of_user(user_id)
            data = await self._account_data.since(user_id, 0)
            session = self._begin(user_id, rooms, data, loading.entries)
        finally:
            del self._loading[user_id]
            for waiting in loading.waiting:
                waiting.callback(None)
        return session

    def _begin(
        self,
        user_id: UserId,
        rooms: list[UserRoom],
        data: list[AccountDataRow],
        missed: list[Entry],
    ) -> Session:
        """A session of what was read. What was published while it was read may be in there or not;
        to take it in twice does no harm."""
        session = Session(user_id, self._log.shards, shard_of_user(user_id, self._log.shards))
        for room in rooms:
            session.rooms[room.room_nid] = room
        for row in data:
            session.account_data_position = max(session.account_data_position, row.position)
            if row.room_id is not None:
                continue
            if row.type == IGNORED_USERS:
                session.ignored = ignored_users(row.content)
            elif row.type == INVITE_PERMISSION:
                session.blocks_invites = blocks_invites(row.content)
        newest = {room.room_nid: self._newest(room) for room in rooms}
        for entry in missed:
            match entry:
                case EventEntry():
                    for change, nid in entry.append.memberships():
                        if change.user_id == user_id:
                            _take_in_membership(session, entry.append, change, nid)
                    newest[entry.append.stored.room_nid] = entry.position
                case OutOfBandEntry():
                    _take_in_out_of_band(session, entry)
                    newest[entry.room_nid] = entry.position
                case ReceiptEntry() | TypingEntry():
                    newest[entry.room_nid] = entry.position
                case AccountDataEntry() if entry.user_id == user_id:
                    _take_in_account_data(session, entry)
                case ForgottenEntry() if entry.user_id == user_id:
                    _take_in_forgotten(session, entry)
        # What is committed and not yet published will touch the session when it is.
        published = self._log.published
        session.account_data_position = min(session.account_data_position, published[session.shard])
        touched = [
            (min(newest[nid], published[room.shard]), nid, room.shard)
            for nid, room in session.rooms.items()
        ]
        for position, nid, shard in sorted(touched):
            session.touch(nid, shard, position)
        self._sessions[user_id] = session
        for room in session.rooms.values():
            if room.membership == "join":
                self._in_room.setdefault(room.room_nid, set()).add(session)
        return session

    def _newest(self, room: UserRoom) -> int:
        if room.membership != "join":
            return room.position
        actor = self._directory.loaded(room.room_nid)
        return max(room.last_position, actor.view.position if actor is not None else 0)

    # --- what the log brings

    def _apply(self, entries: Sequence[Entry]) -> None:
        for loading in self._loading.values():
            loading.entries.extend(entries)
        for entry in entries:
            match entry:
                case EventEntry():
                    self._apply_event(entry.append, entry.shard)
                case OutOfBandEntry():
                    self._apply_out_of_band(entry)
                case ReceiptEntry():
                    self._apply_receipts(entry)
                case TypingEntry():
                    self._touch_room(entry.room_nid, entry.shard, entry.position)
                case AccountDataEntry():
                    self._apply_account_data(entry)
                case PresenceEntry():
                    self._apply_presence(entry)
                case ForgottenEntry():
                    session = self._sessions.get(entry.user_id)
                    if session is not None:
                        _take_in_forgotten(session, entry)
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
        if append.membership is not None or append.resolved:
            for change, nid in append.memberships():
                target = self._sessions.get(change.user_id)
                if target is not None:
                    self._change_membership(target, append, change, nid)
        self._touch_room(stored.room_nid, shard, stored.position)

    def _change_membership(
        self, session: Session, append: EventAppend, change: MembershipRow, event_nid: int
    ) -> None:
        _take_in_membership(session, append, change, event_nid)
        nid, shard = append.stored.room_nid, shard_of_nid(append.stored.nid)
        room = session.rooms[nid]
        if room.membership == "join":
            self._in_room.setdefault(nid, set()).add(session)
            if room.joined_position == append.stored.position:
                self._introduce(session, nid, shard, append.stored.position)
        else:
            self._leave_room(session, nid)
        session.touch(nid, shard, append.stored.position)
        self._wake[session] = None

    def _apply_out_of_band(self, entry: OutOfBandEntry) -> None:
        session = self._sessions.get(entry.change.user_id)
        if session is not None:
            _take_in_out_of_band(session, entry)
            self._leave_room(session, entry.room_nid)
            session.touch(entry.room_nid, entry.shard, entry.position)
            self._wake[session] = None

    def _introduce(self, newcomer: Session, nid: int, shard: int, position: int) -> None:
        """Whoever comes into a room is told the presence of those in it, and they theirs."""
        for other in self.who_look_at(nid):
            if other is not newcomer:
                newcomer.note_presence(PresenceEntry(shard, position, other.user_id, {}))
                other.note_presence(PresenceEntry(shard, position, newcomer.user_id, {}))

    def _leave_room(self, session: Session, nid: int) -> None:
        here = self._in_room.get(nid)
        if here is not None:
            here.discard(session)
            if not here:
                del self._in_room[nid]

    def _apply_receipts(self, entry: ReceiptEntry) -> None:
        if any(r.receipt_type != "m.read.private" for r in entry.receipts):
            self._touch_room(entry.room_nid, entry.shard, entry.position)
            return
        # Private receipts concern nobody but who moved them.
        for user_id in {receipt.user_id for receipt in entry.receipts}:
            session = self._sessions.get(user_id)
            if session is not None:
                session.touch(entry.room_nid, entry.shard, entry.position)
                self._wake[session] = None

    def _apply_account_data(self, entry: AccountDataEntry) -> None:
        session = self._sessions.get(entry.user_id)
        if session is not None:
            _take_in_account_data(session, entry)
            self._wake[session] = None

    def _apply_presence(self, entry: PresenceEntry) -> None:
        seers = self.who_see(entry.user_id)
        for nid in entry.room_nids:
            seers.update(self.who_look_at(nid))
        for session in seers:
            session.note_presence(entry)
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

    def in_room(self, nid: int) -> Iterable[Session]:
        """The sessions whose users are in a room."""
        return self._in_room.get(nid, ())

    def who_look_at(self, nid: int) -> Iterable[Session]:
        """The sessions in a room, if it is small enough for presence."""
        actor = self._directory.loaded(nid)
        if actor is None or actor.view.joined_count > PRESENCE_ROOM_LIMIT:
            return ()
        return self._in_room.get(nid, ())

    def _take_in_loaded(self, room: RoomView) -> None:
        """A room was read from the database, which may hold what was never published: a commit
        whose outcome was not known when its connection broke."""
        for session in self._in_room.get(room.nid, ()):
            if session.touched[room.shard].get(room.nid, 0) < room.position:
                session.touch(room.nid, room.shard, room.position)
                self._clock.call_later(0, session.wake)

    # --- letting go

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for session in list(self._sessions.values()):
            if not session.is_waiting and now - session.used > KEPT_SECONDS:
                del self._sessions[session.user_id]
                for nid in session.rooms:
                    self._leave_room(session, nid)
        self._clock.call_later(KEPT_SECONDS / 2, self._sweep)

    def clear_waiting(self) -> None:
        """Wake everyone, as the server is about to stop."""
        for session in list(self._sessions.values()):
            session.wake()


def _take_in_membership(
    session: Session, append: EventAppend, change: MembershipRow, event_nid: int
) -> None:
    """Note what a session's user is to a room now, by an event that was appended."""
    stored = append.stored
    nid = stored.room_nid
    known = session.rooms.get(nid)
    if known is not None and known.position >= stored.position:
        return
    joined_position = ordinal = room_highlight_ordinal = 0
    if change.membership == "join" and (known is None or known.membership != "join"):
        joined_position, ordinal = stored.position, stored.ordinal
        room_highlight_ordinal = stored.room_highlight_ordinal
    elif known is not None:
        joined_position, ordinal = known.joined_position, known.ordinal
        room_highlight_ordinal = known.room_highlight_ordinal
    session.rooms[nid] = UserRoom(
        room_nid=nid,
        room_id=stored.event.room_id,
        shard=shard_of_nid(stored.nid),
        membership=change.membership,
        event_nid=event_nid,
        position=stored.position,
        sender=change.sender,
        joined_position=joined_position,
        ordinal=ordinal,
        room_highlight_ordinal=room_highlight_ordinal,
        forgotten=False,
    )


def _take_in_out_of_band(session: Session, entry: OutOfBandEntry) -> None:
    """Note what a session's user is to a room that this server is not in, if an entry says so."""
    change, known = entry.change, session.rooms.get(entry.room_nid)
    if change.user_id != session.user_id:
        return
    if known is not None and known.position >= entry.position:
        return
    session.rooms[entry.room_nid] = UserRoom(
        room_nid=entry.room_nid,
        room_id=entry.room_id,
        shard=entry.shard,
        membership=change.membership,
        event_nid=entry.event_nid,
        position=entry.position,
        sender=change.sender,
        joined_position=known.joined_position if known is not None else 0,
        ordinal=known.ordinal if known is not None else 0,
        room_highlight_ordinal=known.room_highlight_ordinal if known is not None else 0,
        forgotten=False,
    )


def _take_in_account_data(session: Session, entry: AccountDataEntry) -> None:
    session.account_data_position = max(session.account_data_position, entry.position)
    if entry.type in (IGNORED_USERS, INVITE_PERMISSION) and entry.room_id is None:
        session.ignored_outdated = True


def _take_in_forgotten(session: Session, entry: ForgottenEntry) -> None:
    for nid, room in list(session.rooms.items()):
        # Whoever was invited again since has not forgotten the room any more.
        if room.room_id == entry.room_id and room.membership in ("leave", "ban"):
            session.rooms[nid] = attrs.evolve(room, forgotten=True)
