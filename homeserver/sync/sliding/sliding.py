"""Simplified sliding sync. MSC4186.

A waiting sync registers on the session before it looks, so no wake-up is lost. What it looks at are
the rooms that were touched after its token; all rooms that the rules choose only when these, or
what was sent, have changed in another way.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from weakref import WeakKeyDictionary

import attrs
from twisted.internet.defer import CancelledError

from homeserver.domain.errors import UnknownPos
from homeserver.log.log import Log
from homeserver.log.tokens import SyncToken
from homeserver.ports.clock import Clock
from homeserver.ports.personal.sliding_connections import ConnectionKey
from homeserver.rooms.presentation import encode
from homeserver.sync.future_tokens import reach
from homeserver.sync.session import Session
from homeserver.sync.sessions import Sessions
from homeserver.sync.sliding.chosen_rooms import ChosenRooms, RoomChooser
from homeserver.sync.sliding.connections import Connection, Draft
from homeserver.sync.sliding.extensions.extension import Extension
from homeserver.sync.sliding.open_connections import OpenConnections
from homeserver.sync.sliding.requests import (
    Asked,
    ExtensionConfig,
    SlidingRequest,
    sliding_request,
)
from homeserver.sync.sliding.rounds import SlidingRound
from homeserver.sync.sliding.told_rooms import Look, RoomTeller, ToldRooms, note_missed


@attrs.frozen(slots=True)
class SlidingRooms:
    """Which rooms are chosen, and what is told of them."""

    chooser: RoomChooser
    teller: RoomTeller


@attrs.define(slots=True)
class _Exchange:
    """A request and the answer in the making. ``since`` moves on over what concerned others."""

    key: ConnectionKey
    connection: Connection
    session: Session
    request: SlidingRequest
    since: SyncToken | None
    draft: Draft
    extensions: list[tuple[Extension, ExtensionConfig]]


class SlidingSync:
    """Answers sliding syncs."""

    def __init__(
        self,
        log: Log,
        sessions: Sessions,
        connections: OpenConnections,
        rooms: SlidingRooms,
        extensions: Sequence[Extension],
        clock: Clock,
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._connections = connections
        self._rooms = rooms
        self._extensions = extensions
        self._clock = clock
        self._chosen: WeakKeyDictionary[Connection, ChosenRooms] = WeakKeyDictionary()
        self.waiting = 0
        self.stopping = False

    async def sync(self, asked: Asked) -> bytes:
        """The JSON of the answer; waits up to the timeout for something to tell.

        Raises BadJson or InvalidParam for a request that does not fit, UnknownPos for a ``pos``
        that is not of this connection any more.
        """
        exchange = await self._begin(asked)
        if exchange.since is None:
            answer = await self._look(exchange)
            assert answer is not None
            await self._connections.begun(exchange.key, exchange.connection)
            return answer
        await reach(self._log, self._clock, exchange.since, lambda: self.stopping)
        connection, session = exchange.connection, exchange.session
        connection.requests += 1
        mine = connection.requests
        if connection.waiting:
            # Whoever asked before on this connection is not listening any more.
            session.wake()
        must_look = self._must_look(exchange)
        deadline = self._clock.monotonic() + exchange.request.timeout_ms / 1000
        while True:
            waiter = session.wait()
            if must_look or self._has_news(exchange):
                session.stop_waiting(waiter)
                answer = await self._look(exchange)
                if answer is not None:
                    return answer
                must_look = False
                continue
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0 or self.stopping or connection.requests != mine:
                session.stop_waiting(waiter)
                return self._nothing(exchange)
            timer = self._clock.call_later(remaining, session.wake)
            self.waiting += 1
            connection.waiting += 1
            try:
                await waiter
            except CancelledError:
                session.stop_waiting(waiter)
                raise
            finally:
                self.waiting -= 1
                connection.waiting -= 1
                timer.cancel()
                session.used = self._clock.monotonic()

    def stop(self) -> None:
        """Answer every waiting sync with nothing, as the server is about to stop."""
        self.stopping = True
        self._sessions.clear_waiting()

    async def _begin(self, asked: Asked) -> _Exchange:
        key = ConnectionKey(asked.user_id, asked.device_id or "", asked.body.conn_id)
        known = self._connections.known(key)
        request = sliding_request(asked, known.rules if known is not None else None)
        since = None
        if request.pos is None:
            connection = self._connections.begin(key)
        else:
            found = await self._connections.find(key)
            if found is None:
                raise UnknownPos()
            connection = found
            since = connection.resume(request.pos, self._log.shards)
        connection.rules = request.rules
        session = await self._sessions.of(request.user_id)
        extensions = [
            (extension, config)
            for extension in self._extensions
            if (config := request.extensions.get(extension.name)) is not None
        ]
        if since is not None:
            for extension, config in extensions:
                extension.acknowledge(session, request.device_id, config, since)
        return _Exchange(key, connection, session, request, since, connection.draft(), extensions)

    def _must_look(self, exchange: _Exchange) -> bool:
        """Whether there may be something to tell although nothing came."""
        connection, rules = exchange.connection, exchange.request.rules
        chosen = self._chosen.get(connection)
        return (
            chosen is None
            or chosen.rules is not rules
            or connection.settled != chosen.version
            or not _knows_counts(connection, exchange.request)
        )

    def _has_news(self, exchange: _Exchange) -> bool:
        session, since = exchange.session, exchange.since
        assert since is not None
        return session.has_news(since) or any(
            extension.has_news(session, exchange.request.device_id, config, since)
            for extension, config in exchange.extensions
        )

    async def _look(self, exchange: _Exchange) -> bytes | None:
        """The answer, if there is anything to tell."""
        session, request = exchange.session, exchange.request
        if session.ignored_outdated:
            await self._sessions.refresh_ignored(session)
        until = self._published()
        connection, draft = exchange.connection, exchange.draft
        chosen = await self._rooms.chooser.choose(
            self._chosen.get(connection), session, request.rules, draft.sent(), until
        )
        self._chosen[connection] = chosen
        personal = await self._rooms.chooser.personal(session)
        since = exchange.since
        position = since.positions[session.shard] if since is not None else 0
        look = Look(
            session=session,
            request=request,
            connection=connection,
            draft=draft,
            chosen=chosen,
            since=since,
            until=until,
            direct=personal.direct,
            direct_changes=personal.direct_changes(position) if since else frozenset(),
        )
        told = await self._tell(look)
        counts = chosen.counts()
        parts = await self._parts(exchange, look, told)
        is_news = (
            since is None or bool(told.parts or parts) or not _knows_counts(connection, request)
        )
        exchange.since = until
        if not is_news:
            return None
        draft.delivery.rules = request.rules
        for extension, config in exchange.extensions:
            if extension.name not in parts:
                standing = extension.standing(session, request.device_id, config, until)
                if standing is not None:
                    parts[extension.name] = standing
        return self._answer(exchange, counts, told.parts, parts)

    async def _tell(self, look: Look) -> ToldRooms:
        chosen, connection = look.chosen, look.connection
        version = chosen.version
        is_settled = connection.settled == version and look.since is not None
        nids: Collection[int] = look.touched() if is_settled else chosen.all()
        if is_settled and look.direct_changes != frozenset():
            nids = chosen.all()
        told = await self._rooms.teller.tell(look, nids)
        note_missed(look)
        if look.draft.changes:
            look.draft.delivery.settled = version
        elif look.draft.parent == connection.change:
            connection.settled = version
        return told

    async def _parts(self, exchange: _Exchange, look: Look, told: ToldRooms) -> dict[str, bytes]:
        """By extension: what it has to tell."""
        if not exchange.extensions:
            return {}
        now = SlidingRound(
            session=look.session,
            device_id=look.request.device_id,
            request=look.request,
            since=look.since,
            until=look.until,
            told=told.rooms,
            initial=frozenset(told.initial),
            lists=look.chosen.windows(),
            subscribed=look.chosen.subscribed.keys(),
            sent=look.draft.sent(),
            expanded=frozenset(told.expanded),
            returned=told.returned,
        )
        parts = {}
        for extension, config in exchange.extensions:
            part = await extension.part(now, config)
            if part is not None:
                parts[extension.name] = part
        return parts

    def _nothing(self, exchange: _Exchange) -> bytes:
        session, request, since = exchange.session, exchange.request, exchange.since
        assert since is not None
        # Positions that concerned others are passed over, so that the position keeps up.
        exchange.since = SyncToken(tuple(map(max, since.positions, self._log.published)))
        parts = {
            extension.name: standing
            for extension, config in exchange.extensions
            if (standing := extension.standing(session, request.device_id, config, exchange.since))
            is not None
        }
        chosen = self._chosen.get(exchange.connection)
        counts = chosen.counts() if chosen is not None else {}
        return self._answer(exchange, counts, [], parts)

    def _answer(
        self,
        exchange: _Exchange,
        counts: dict[str, int],
        rooms: list[bytes],
        extensions: dict[str, bytes],
    ) -> bytes:
        connection, draft = exchange.connection, exchange.draft
        assert exchange.since is not None
        is_first = connection.answers == 0
        pos = connection.issue(draft, exchange.since)
        if draft.changes and not is_first:
            self._connections.changed(exchange.key, connection)
        txn_id = exchange.request.txn_id
        return b'{"pos":"%s",%s"lists":{%s},"rooms":{%s},"extensions":{%s}}' % (
            pos.encode(),
            b'"txn_id":%s,' % encode(txn_id) if txn_id is not None else b"",
            b",".join(b'%s:{"count":%d}' % (encode(key), n) for key, n in counts.items()),
            b",".join(rooms),
            b",".join(b'"%s":%s' % (name.encode(), part) for name, part in extensions.items()),
        )

    def _published(self) -> SyncToken:
        return SyncToken(tuple(self._log.published))


def _knows_counts(connection: Connection, request: SlidingRequest) -> bool:
    """Whether the client has been told how many rooms are in each list."""
    told = connection.told_rules
    if told is request.rules:
        return True
    known = told.lists if told is not None else {}
    return all(
        key in known and known[key].filter == wanted.filter
        for key, wanted in request.rules.lists.items()
    )
