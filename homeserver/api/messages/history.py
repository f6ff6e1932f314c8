"""Reading rooms: messages, context, single events, members, initialSync, timestamps."""

from __future__ import annotations

from typing import Literal

import msgspec

from homeserver.domain.errors import InvalidParam
from homeserver.domain.filters import (
    CompiledRoomEventFilter,
    RoomEventFilter,
    compile_room_event_filter,
    parse_room_event_filter,
)
from homeserver.domain.identifiers import RoomId, UserId, parse_event_id, parse_room_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.log.tokens import TimelineToken
from homeserver.ports.personal.account_data import AccountDataStore
from homeserver.rooms.presentation import Reader, encode
from homeserver.rooms.view import RoomView
from homeserver.services.messages.history import History
from homeserver.services.messages.nearest_events import NearestEvents

LARGEST_PAGE = 1000
DEFAULT_PAGE = 10

# JSON of events has no larger integers.
LATEST_MS = 2**53 - 1


class MessagesQuery(msgspec.Struct):
    """Query of /messages."""

    dir: Literal["b", "f"]
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    limit: int | None = None
    filter: str | None = None


class ContextQuery(msgspec.Struct):
    """Query of /context."""

    limit: int | None = None
    filter: str | None = None


class MembersQuery(msgspec.Struct):
    """Query of /members."""

    at: str | None = None
    membership: Literal["join", "invite", "knock", "leave", "ban"] | None = None
    not_membership: Literal["join", "invite", "knock", "leave", "ban"] | None = None


class TimestampQuery(msgspec.Struct):
    """Query of /timestamp_to_event."""

    ts: int
    dir: Literal["b", "f"]


class HistoryApi:
    """Reading what happened in rooms.

    Without ``nearest`` events are found by their time as far as they are here.
    """

    def __init__(
        self,
        history: History,
        account_data: AccountDataStore,
        shards: int,
        nearest: NearestEvents | None = None,
    ) -> None:
        self._history = history
        self._nearest = nearest
        self._account_data = account_data
        self._shards = shards

    def routes(self) -> list[Route]:
        """The operations of this area."""
        room = "/rooms/{roomId}"
        return [
            route(
                "GET",
                client(f"{room}/messages"),
                self.messages,
                access=Access.GUEST,
                section="GET /rooms/{roomId}/messages",
            ),
            route(
                "GET",
                client(f"{room}/context/{{eventId}}"),
                self.context,
                access=Access.GUEST,
                section="GET /rooms/{roomId}/context/{eventId}",
            ),
            route(
                "GET",
                client(f"{room}/event/{{eventId}}"),
                self.event,
                access=Access.GUEST,
                section="GET /rooms/{roomId}/event/{eventId}",
            ),
            route(
                "GET",
                client(f"{room}/members"),
                self.members,
                access=Access.GUEST,
                section="GET /rooms/{roomId}/members",
            ),
            route(
                "GET",
                client(f"{room}/initialSync"),
                self.initial_sync,
                access=Access.GUEST,
                section="GET /rooms/{roomId}/initialSync",
            ),
            route(
                "GET",
                client(f"{room}/timestamp_to_event", "v1"),
                self.timestamp_to_event,
                rate=RateClass.SEARCH,
                section="GET /rooms/{roomId}/timestamp_to_event",
            ),
        ]

    async def messages(self, request: Request) -> Answer:
        """A page of a room's timeline."""
        query = request.query_as(MessagesQuery)
        definition = _filter(query.filter)
        view = await self._room(request)
        page = await self._history.page(
            view,
            request.user_id,
            request.device_id,
            start=self._token(query.from_, view),
            stop=self._token(query.to, view),
            backwards=query.dir == "b",
            limit=max(1, _limit(query.limit, definition)),
            definition=definition,
        )
        parts = [
            b'"chunk":[%s]' % b",".join(page.events),
            b'"start":"%s"' % str(page.start).encode(),
        ]
        if page.end is not None:
            parts.append(b'"end":"%s"' % str(page.end).encode())
        if page.state:
            parts.append(b'"state":[%s]' % b",".join(page.state))
        return Answer(b"{%s}" % b",".join(parts))

    async def context(self, request: Request) -> Answer:
        """An event and what is around it."""
        query = request.query_as(ContextQuery)
        definition = _filter(query.filter)
        event_id = parse_event_id(request.parameters["eventId"])
        view = await self._room_of_event(request)
        context = await self._history.context(
            view,
            request.user_id,
            request.device_id,
            event_id,
            limit=_limit(query.limit, definition),
            definition=definition,
        )
        return Answer(
            b'{"event":%s,"events_before":[%s],"events_after":[%s],"start":"%s","end":"%s",'
            b'"state":[%s]}'
            % (
                context.event,
                b",".join(context.before),
                b",".join(context.after),
                str(context.start).encode(),
                str(context.end).encode(),
                b",".join(context.state),
            )
        )

    async def event(self, request: Request) -> Answer:
        """One event."""
        event_id = parse_event_id(request.parameters["eventId"])
        view = await self._room_of_event(request)
        return Answer(
            await self._history.present_one(view, request.user_id, request.device_id, event_id)
        )

    async def members(self, request: Request) -> Answer:
        """The member events of a room, now or at a token."""
        query = request.query_as(MembersQuery)
        view = await self._room(request)
        position = await self._history.last_visible_position(view, request.user_id)
        at = self._token(query.at, view)
        if at is not None:
            position = min(position, at.state_position)
        events = await self._history.state_at(
            view, position, _reader(request), types=["m.room.member"]
        )
        if query.membership is not None or query.not_membership is not None:
            events = [e for e in events if _has_membership(e, query)]
        return Answer(b'{"chunk":[%s]}' % b",".join(events))

    async def initial_sync(self, request: Request) -> Answer:
        """A room at a glance: state, newest messages, membership."""
        query = request.query_as(ContextQuery)
        view = await self._room(request)
        user_id = request.user_id
        definition = _filter(query.filter)
        position = await self._history.last_visible_position(view, user_id)
        page = await self._history.page(
            view,
            user_id,
            request.device_id,
            start=TimelineToken(position),
            stop=None,
            backwards=True,
            limit=max(1, _limit(query.limit, definition)),
            definition=definition,
        )
        state = await self._history.state_at(view, position, _reader(request))
        data = await self._room_data(user_id, view.room_id)
        parts = [
            b'"room_id":' + encode(view.room_id),
            b'"visibility":"%s"' % (b"public" if view.published else b"private"),
            b'"state":[%s]' % b",".join(state),
            b'"account_data":[%s]' % b",".join(data),
            b'"messages":{"chunk":[%s],"start":"%s","end":"%s"}'
            % (
                b",".join(reversed(page.events)),
                str(page.end or TimelineToken(0)).encode(),
                str(page.start).encode(),
            ),
        ]
        if user_id in view.members:
            parts.append(b'"membership":' + encode(view.membership(user_id)))
        return Answer(b"{%s}" % b",".join(parts))

    async def timestamp_to_event(self, request: Request) -> Answer:
        """The event nearest to a time."""
        query = request.query_as(TimestampQuery)
        if not 0 <= query.ts <= LATEST_MS:
            raise InvalidParam("ts is not a time in milliseconds")
        view = await self._room(request)
        find = self._history.nearest_to_time if self._nearest is None else self._nearest.find
        stored = await find(view, request.user_id, query.ts, backwards=query.dir == "b")
        return ok(
            {
                "event_id": stored.event.event_id,
                "origin_server_ts": stored.event.origin_server_ts,
            }
        )

    async def _room(self, request: Request) -> RoomView:
        room_id = parse_room_id(request.parameters["roomId"])
        return await self._history.readable(room_id, request.user_id)

    async def _room_of_event(self, request: Request) -> RoomView:
        room_id = parse_room_id(request.parameters["roomId"])
        return await self._history.readable_for_event(room_id, request.user_id)

    async def _room_data(self, user_id: UserId, room_id: RoomId) -> list[bytes]:
        rows = await self._account_data.since(user_id, 0)
        return [
            b'{"content":%s,"type":%s}' % (row.content, encode(row.type))
            for row in rows
            if row.room_id == room_id
        ]

    def _token(self, text: str | None, view: RoomView) -> TimelineToken | None:
        return TimelineToken.parse(text, view.shard, self._shards) if text else None


def _reader(request: Request) -> Reader:
    return Reader(request.user_id, request.device_id)


def _limit(asked: int | None, definition: CompiledRoomEventFilter) -> int:
    """How many events at most: as asked for, and as the filter says."""
    if asked is not None and asked < 0:
        raise InvalidParam("limit must not be negative")
    limits = [limit for limit in (asked, definition.limit) if limit is not None]
    return min(*limits, LARGEST_PAGE) if limits else DEFAULT_PAGE


def _filter(text: str | None) -> CompiledRoomEventFilter:
    """The filter in a query: JSON of a RoomEventFilter."""
    if text is None:
        return compile_room_event_filter(RoomEventFilter())
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise InvalidParam("filter is not valid JSON") from None
    if not isinstance(value, dict):
        raise InvalidParam("filter must be an object")
    return compile_room_event_filter(parse_room_event_filter(value))


def _has_membership(event: bytes, query: MembersQuery) -> bool:
    membership = msgspec.json.decode(event)["content"].get("membership")
    if query.membership is not None and membership == query.membership:
        return True
    return query.not_membership is not None and membership != query.not_membership
