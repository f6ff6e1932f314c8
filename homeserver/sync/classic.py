"""/v3/sync. Client-server API, "Syncing".

A waiting sync registers on the session before it reads, so no wake-up is lost. What it answers is
assembled from the cores of the rooms that were touched after its token, spliced as bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import attrs
from twisted.internet.defer import CancelledError

from homeserver.domain.filters import CompiledFilter
from homeserver.domain.identifiers import DeviceId, RoomId, UserId
from homeserver.domain.push_rules import UserPushRules, counting_classes
from homeserver.log.log import Log
from homeserver.log.tokens import SyncToken
from homeserver.ports.account_data import AccountDataRow, AccountDataStore
from homeserver.ports.clock import Clock
from homeserver.ports.rooms import UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import encode
from homeserver.rooms.push_rules_index import PushRulesIndex
from homeserver.rooms.unread import CountingReader, UnreadCounter, UnreadCounts
from homeserver.rooms.view import RoomView
from homeserver.sync.fragments import Core, RoomFragments, SyncOptions, Window
from homeserver.sync.room_summary import room_summary
from homeserver.sync.sessions import KnownMembers, Session, Sessions
from homeserver.sync.stripped_state import stripped_state

# How long a token from the future may be waited for, in seconds: its positions were committed by
# another process and are on their way.
FUTURE_SECONDS = 5.0


@attrs.frozen(slots=True)
class SyncRequest:
    """A /sync as asked for."""

    user_id: UserId
    device_id: DeviceId | None
    since: str | None
    timeout_ms: int
    filter: CompiledFilter
    full_state: bool
    use_state_after: bool


@attrs.frozen(slots=True)
class Defaults:
    """What a sync needs of the floors beside it."""

    push_rules_event: Callable[[UserId], bytes]
    """The content of m.push_rules for a user who never changed a rule."""
    presence_event: Callable[[UserId], bytes | None]
    """The current m.presence event of a user, if they are known to be anything."""


class ClassicSync:
    """Answers /v3/sync."""

    def __init__(
        self,
        log: Log,
        sessions: Sessions,
        fragments: RoomFragments,
        directory: RoomDirectory,
        account_data: AccountDataStore,
        unread: UnreadCounter,
        push_rules: PushRulesIndex,
        clock: Clock,
        defaults: Defaults,
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._fragments = fragments
        self._directory = directory
        self._account_data = account_data
        self._unread = unread
        self._push_rules = push_rules
        self._clock = clock
        self._defaults = defaults
        self.waiting = 0
        self.stopping = False

    async def sync(self, request: SyncRequest) -> bytes:
        """The JSON of the answer; waits up to the timeout for something to tell.

        Raises InvalidParam for a token that is not one.
        """
        since = (
            SyncToken.parse(request.since, self._log.shards) if request.since is not None else None
        )
        session = await self._sessions.of(request.user_id)
        if self._push_rules.rules_of(request.user_id) is None:
            await self._push_rules.fetch([request.user_id])
        device = session.devices.setdefault(request.device_id or "", KnownMembers())
        if since is None or request.full_state:
            return (await self._build(session, request, since))[0]
        assert request.since is not None
        device.acknowledge(request.since)
        deadline = self._clock.monotonic() + request.timeout_ms / 1000
        await self._reach(session, since)
        while True:
            waiter = session.wait()
            if session.has_news(since):
                session.stop_waiting(waiter)
                answer, until, is_empty = await self._build(session, request, since)
                if not is_empty:
                    return answer
                since = until
                continue
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0 or self.stopping:
                session.stop_waiting(waiter)
                return self._nothing(since)
            timer = self._clock.call_later(remaining, session.wake)
            self.waiting += 1
            try:
                await waiter
            except CancelledError:
                session.stop_waiting(waiter)
                raise
            finally:
                self.waiting -= 1
                timer.cancel()
                session.used = self._clock.monotonic()

    def stop(self) -> None:
        """Answer every waiting sync with nothing, as the server is about to stop."""
        self.stopping = True
        self._sessions.clear_waiting()

    def _nothing(self, since: SyncToken) -> bytes:
        # Positions that concerned others are passed over, so that the token keeps up.
        positions = tuple(map(max, since.positions, self._log.published))
        return b'{"next_batch":"%s"}' % str(SyncToken(positions)).encode()

    async def _reach(self, session: Session, since: SyncToken) -> None:
        """Wait, for a bounded time, until this process has seen the positions of a token."""
        deadline = self._clock.monotonic() + FUTURE_SECONDS
        while any(map(lambda a, b: a > b, since.positions, self._log.published)):
            if self._clock.monotonic() > deadline or self.stopping:
                return
            await self._clock.sleep(0.05)

    # --- building an answer

    async def _build(
        self, session: Session, request: SyncRequest, since: SyncToken | None
    ) -> tuple[bytes, SyncToken, bool]:
        """The answer, the place it ends at, and whether it tells nothing."""
        until = SyncToken(tuple(self._log.published))
        token = str(until)
        options = SyncOptions(request.filter, request.use_state_after)
        data = await self._data_since(session, since)
        by_room: dict[RoomId, list[AccountDataRow]] = defaultdict(list)
        for row in data:
            if row.room_id is not None:
                by_room[row.room_id].append(row)
        sections: dict[str, list[bytes]] = {"join": [], "invite": [], "knock": [], "leave": []}
        rooms = self._rooms(session, since, until, by_room, request)
        joined = [room for room in rooms if room.membership == "join"]
        if joined:
            await self._prepare(
                session,
                joined,
                options,
                lambda room: (
                    since is None
                    or request.full_state
                    or room.joined_position > since.positions[room.shard]
                ),
            )
        for room in rooms:
            if not request.filter.room.matches_room(room.room_id):
                continue
            start = since.positions[room.shard] if since is not None else None
            window = Window(
                session, request.device_id, start, until.positions[room.shard], options
            )
            match room.membership:
                case "join":
                    part = await self._joined(
                        room, window, by_room[room.room_id], request.full_state, token
                    )
                    if part is not None:
                        sections["join"].append(_entry(room.room_id, part))
                case "invite":
                    if room.sender not in session.ignored:
                        part = await self._stripped("invite_state", room, session)
                        sections["invite"].append(_entry(room.room_id, part))
                case "knock":
                    part = await self._stripped("knock_state", room, session)
                    sections["knock"].append(_entry(room.room_id, part))
                case _:
                    part = await self._left(room, window, by_room[room.room_id])
                    sections["leave"].append(_entry(room.room_id, part))
        parts = [b'"next_batch":"%s"' % token.encode()]
        shown = [
            b'"%s":{%s}' % (name.encode(), b",".join(entries))
            for name, entries in sections.items()
            if entries
        ]
        if shown:
            parts.append(b'"rooms":{%s}' % b",".join(shown))
        events = self._global_data(session, data, request.filter, initial=since is None)
        if events:
            parts.append(b'"account_data":{"events":[%s]}' % b",".join(events))
        presence = self._presence(session, since, request.filter)
        if presence:
            parts.append(b'"presence":{"events":[%s]}' % b",".join(presence))
        return b"{%s}" % b",".join(parts), until, len(parts) == 1

    def _rooms(
        self,
        session: Session,
        since: SyncToken | None,
        until: SyncToken,
        data: dict[RoomId, list[AccountDataRow]],
        request: SyncRequest,
    ) -> list[UserRoom]:
        """The rooms that an answer may have to mention."""
        if since is None or request.full_state:
            return [
                room
                for room in session.rooms.values()
                if not room.forgotten
                and room.position <= until.positions[room.shard]
                and (
                    room.membership in ("join", "invite", "knock")
                    or request.filter.room.include_leave
                    or (since is not None and room.position > since.positions[room.shard])
                )
            ]
        nids = session.rooms_after(since, until)
        rooms = [session.rooms[nid] for nid in nids if nid in session.rooms]
        found = [
            room
            for room in rooms
            if room.membership == "join" or room.position > since.positions[room.shard]
        ]
        if data:
            there = {room.room_id for room in found}
            found += [
                room
                for room in session.rooms.values()
                if room.room_id in data
                and room.room_id not in there
                and room.membership == "join"
            ]
        return found

    async def _prepare(
        self,
        session: Session,
        rooms: Sequence[UserRoom],
        options: SyncOptions,
        is_whole: Callable[[UserRoom], bool],
    ) -> None:
        """Load the rooms of an answer and what their counts take, in bulk.

        ``is_whole`` tells which rooms will be sent from scratch.
        """
        missing = [r.room_nid for r in rooms if self._directory.loaded(r.room_nid) is None]
        if missing:
            await self._directory.load(missing)
        actors = [self._directory.loaded(r.room_nid) for r in rooms if is_whole(r)]
        if actors:
            views = [actor.view for actor in actors if actor is not None]
            await self._fragments.prefetch(views, session.user_id, options)
        threads = options.filter.room.timeline.unread_thread_notifications
        reader = self._counting_reader(session)
        uncounted = []
        for room in rooms:
            actor = self._directory.loaded(room.room_nid)
            if actor is not None:
                if self._unread.ready(actor.view, reader, room, threads=threads) is None:
                    uncounted.append((actor.view, room))
        if uncounted:
            await self._unread.read(uncounted, reader, threads=threads)

    async def _joined(
        self,
        room: UserRoom,
        window: Window,
        data: list[AccountDataRow],
        full_state: bool,
        token: str,
    ) -> bytes | None:
        actor = self._directory.loaded(room.room_nid) or await self._directory.by_nid(room.room_nid)
        view = actor.view
        since = window.since
        is_new = since is None or room.joined_position > since
        core: Core | None
        if is_new:
            window = attrs.evolve(window, since=None)
            core = await self._fragments.full(view, window)
        elif full_state:
            core = await self._fragments.full(view, window, known_until=since)
        else:
            core = self._fragments.ready(view, window)
            if core is None:
                core = await self._fragments.since(view, window)
        own_receipt = view.read_receipt(window.session.user_id)
        if (
            core.is_empty
            and not data
            and not is_new
            and not (own_receipt is not None and since is not None and own_receipt.position > since)
        ):
            return None
        if core.members:
            device = window.session.devices[window.device_id or ""]
            device.pending.setdefault(token, []).extend(
                (view.nid, user_id) for user_id in core.members
            )
        parts = [core.body, await self._unread_part(view, room, window)]
        wanted = window.options.filter.room.account_data
        events = [
            _data_event(row) for row in data if not _is_gone(row) and wanted.matches(row.type, None)
        ]
        parts.append(b'"account_data":{"events":[%s]}' % b",".join(events))
        if core.counts_changed or is_new:
            parts.append(b'"summary":' + encode(room_summary(view, window.session.user_id)))
        return b",".join(parts)

    async def _unread_part(self, view: RoomView, room: UserRoom, window: Window) -> bytes:
        threads = window.options.filter.room.timeline.unread_thread_notifications
        reader = self._counting_reader(window.session)
        counts = self._unread.ready(view, reader, room, threads=threads)
        while counts is None:
            await self._unread.read([(view, room)], reader, threads=threads)
            counts = self._unread.ready(view, reader, room, threads=threads)
        return unread_json(counts, threads=threads)

    def _counting_reader(self, session: Session) -> CountingReader:
        rules = self._push_rules.rules_of(session.user_id) or _PREDEFINED
        return CountingReader(
            session.user_id, session.ignored, counting_classes(rules).in_room
        )

    async def _stripped(self, name: str, room: UserRoom, session: Session) -> bytes:
        view = (await self._directory.by_nid(room.room_nid)).view
        events = await stripped_state(view, self._directory.events, session.user_id, room.sender)
        return b'"%s":{"events":[%s]}' % (name.encode(), b",".join(events))

    async def _left(
        self, room: UserRoom, window: Window, data: list[AccountDataRow]
    ) -> bytes:
        view = (await self._directory.by_nid(room.room_nid)).view
        if not room.joined_position:
            # They never were in the room (a rejected invite, a withdrawn knock, a ban from
            # outside): all there is to see is that.
            core = await self._fragments.own_membership(view, window, room)
        elif window.since is not None and room.joined_position <= window.since:
            core = await self._fragments.since(
                view, attrs.evolve(window, until=min(window.until, room.position))
            )
        else:
            until = min(window.until, room.position)
            core = await self._fragments.full(
                view, attrs.evolve(window, since=None, until=until)
            )
        events = b",".join(_data_event(row) for row in data if not _is_gone(row))
        return core.body + b',"account_data":{"events":[%s]}' % events

    # --- what does not belong to a room

    async def _data_since(
        self, session: Session, since: SyncToken | None
    ) -> list[AccountDataRow]:
        position = since.positions[session.shard] if since is not None else 0
        if since is not None and session.account_data_position <= position:
            return []
        return await self._account_data.since(session.user_id, position)

    def _global_data(
        self,
        session: Session,
        data: list[AccountDataRow],
        definition: CompiledFilter,
        *,
        initial: bool,
    ) -> list[bytes]:
        wanted = definition.account_data
        rows = [row for row in data if row.room_id is None and wanted.matches(row.type, None)]
        events = [_data_event(row) for row in rows if not (initial and _is_gone(row))]
        if (
            initial
            and wanted.matches("m.push_rules", None)
            and not any(row.type == "m.push_rules" for row in rows)
        ):
            content = self._defaults.push_rules_event(session.user_id)
            events.append(b'{"content":%s,"type":"m.push_rules"}' % content)
        return events

    def _presence(
        self, session: Session, since: SyncToken | None, definition: CompiledFilter
    ) -> list[bytes]:
        wanted = definition.presence
        if wanted.is_pass_none:
            return []
        if since is None:
            users = {s.user_id for nid in session.rooms for s in self._sharers(session, nid)}
        else:
            users = {
                user_id
                for user_id, (shard, entry) in session.presence.items()
                if entry.position > since.positions[shard]
            }
        found = []
        for user_id in users - session.ignored:
            if wanted.matches("m.presence", user_id):
                event = self._defaults.presence_event(user_id)
                if event is not None:
                    found.append(event)
        return found

    def _sharers(self, session: Session, nid: int) -> Iterable[Session]:
        if session.rooms[nid].membership != "join":
            return ()
        return self._sessions.who_look_at(nid)


_PREDEFINED = UserPushRules()


def _entry(room_id: RoomId, part: bytes) -> bytes:
    return b'"%s":{%s}' % (room_id.encode(), part)


def _data_event(row: AccountDataRow) -> bytes:
    return b'{"content":%s,"type":%s}' % (row.content, encode(row.type))


def _is_gone(row: AccountDataRow) -> bool:
    return row.content == b"{}"


def unread_json(counts: UnreadCounts, *, threads: bool) -> bytes:
    """``unread_notifications`` and, when asked for, ``unread_thread_notifications``.

    Without threads everything counts to the room.
    """
    notify, highlight = counts.main.notify, counts.main.highlight
    by_thread = counts.threads or {}
    if not threads:
        notify += sum(c.notify for c in by_thread.values())
        highlight += sum(c.highlight for c in by_thread.values())
    part = b'"unread_notifications":{"highlight_count":%d,"notification_count":%d}' % (
        highlight,
        notify,
    )
    if threads and by_thread:
        part += b',"unread_thread_notifications":' + encode(
            {
                root: {"notification_count": c.notify, "highlight_count": c.highlight}
                for root, c in by_thread.items()
            }
        )
    return part
