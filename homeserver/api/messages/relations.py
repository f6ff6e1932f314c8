"""Relations of an event, and the threads of a room."""

from __future__ import annotations

from typing import Literal

import msgspec

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import parse_event_id, parse_room_id
from homeserver.http.answers import Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, client, route
from homeserver.log.tokens import POSITION_DIGITS, TimelineToken
from homeserver.rooms.view import RoomView
from homeserver.services.messages.history import History
from homeserver.services.messages.related_events import RECURSION_DEPTH, RelatedEvents

LARGEST_PAGE = 100


class RelationsQuery(msgspec.Struct):
    """Query of /relations."""

    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    limit: int = 5
    dir: Literal["b", "f"] = "b"
    recurse: bool = False


class ThreadsQuery(msgspec.Struct):
    """Query of /threads."""

    include: Literal["all", "participated"] = "all"
    limit: int = 10
    from_: str | None = msgspec.field(default=None, name="from")


class RelationsApi:
    """Relations and threads."""

    def __init__(self, history: History, related: RelatedEvents, shards: int) -> None:
        self._history = history
        self._related = related
        self._shards = shards

    def routes(self) -> list[Route]:
        """The operations of this area."""
        base = "/rooms/{roomId}/relations/{eventId}"
        paths = (base, f"{base}/{{relType}}", f"{base}/{{relType}}/{{eventType}}")
        return [
            *(
                route(
                    "GET",
                    client(path, "v1"),
                    self.relations,
                    access=Access.GUEST,
                    section="GET /rooms/{roomId}/relations/{eventId}",
                )
                for path in paths
            ),
            route(
                "GET",
                client("/rooms/{roomId}/threads", "v1"),
                self.threads,
                section="GET /rooms/{roomId}/threads",
            ),
        ]

    async def relations(self, request: Request) -> Answer:
        """The events that relate to an event."""
        query = request.query_as(RelationsQuery)
        target = parse_event_id(request.parameters["eventId"])
        room_id = parse_room_id(request.parameters["roomId"])
        view = await self._history.readable_for_event(room_id, request.user_id)
        await self._history.event(view, request.user_id, target)
        page = await self._related.related(
            view,
            await self._history.reader(view, request.user_id, request.device_id),
            target,
            rel_type=request.parameters.get("relType"),
            event_type=request.parameters.get("eventType"),
            start=self._token(query.from_, view),
            stop=self._token(query.to, view),
            backwards=query.dir == "b",
            limit=_limit(query.limit),
            recurse=query.recurse,
        )
        parts = [b'"chunk":[%s]' % b",".join(page.events)]
        if page.next is not None:
            parts.append(b'"next_batch":"%s"' % str(page.next).encode())
        if page.previous is not None:
            parts.append(b'"prev_batch":"%s"' % str(page.previous).encode())
        if query.recurse:
            parts.append(b'"recursion_depth":%d' % RECURSION_DEPTH)
        return Answer(b"{%s}" % b",".join(parts))

    async def threads(self, request: Request) -> Answer:
        """The roots of the threads of a room."""
        query = request.query_as(ThreadsQuery)
        before = _threads_token(query.from_)
        room_id = parse_room_id(request.parameters["roomId"])
        view = await self._history.readable(room_id, request.user_id)
        roots, following = await self._related.threads(
            view,
            await self._history.reader(view, request.user_id, request.device_id),
            include=query.include,
            before=before,
            limit=_limit(query.limit),
        )
        parts = [b'"chunk":[%s]' % b",".join(roots)]
        if following is not None:
            parts.append(b'"next_batch":"%s"' % following.encode())
        return Answer(b"{%s}" % b",".join(parts))

    def _token(self, text: str | None, view: RoomView) -> TimelineToken | None:
        return TimelineToken.parse(text, view.shard, self._shards) if text else None


def _threads_token(text: str | None) -> int | None:
    """The position that a token of /threads names."""
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > POSITION_DIGITS:
        raise InvalidParam("Unknown pagination token")
    return int(text)


def _limit(asked: int) -> int:
    if asked < 1:
        raise InvalidParam("limit must be positive")
    return min(asked, LARGEST_PAGE)
