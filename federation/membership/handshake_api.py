"""Joining, leaving and knocking through this server.

Server-server API, "Joining Rooms", "Leaving Rooms" and "Knocking upon a room".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from federation.membership.large_answers import json_answer
from federation.membership.member_templates import MemberTemplates
from federation.membership.resident_joins import ResidentJoins
from federation.membership.room_description import description_of
from federation.membership.submissions import Submission, Submissions
from homeserver.domain.identifiers import UserId, parse_event_id, parse_room_id
from homeserver.domain.membership import Membership
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.threads import RunInThread
from homeserver.rooms.event_cache import EventCache

MAX_EVENT_BYTES: Final = 200_000
"""The largest body: an event, perhaps with more escapes than it needs."""

FIRST_VERSION: Final = ("1",)
"""The room versions of a server that names none."""


class HandshakeApi:
    """Templates of member events, and the events that are made of them."""

    def __init__(
        self,
        templates: MemberTemplates,
        submissions: Submissions,
        joins: ResidentJoins,
        events: EventCache,
        run_in_thread: RunInThread,
    ) -> None:
        self._templates = templates
        self._submissions = submissions
        self._joins = joins
        self._events = events
        self._run_in_thread = run_in_thread

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        joining, leaving = "Joining Rooms", "Leaving Rooms (Rejecting Invites)"
        knocking = "Knocking upon a room"
        return [
            _make("join", self.make_join, joining),
            _make("leave", self.make_leave, leaving),
            _make("knock", self.make_knock, knocking),
            _send("join", "v1", self.send_join_v1, joining),
            _send("join", "v2", self.send_join, joining),
            _send("leave", "v1", self.send_leave_v1, leaving),
            _send("leave", "v2", self.send_leave, leaving),
            _send("knock", "v1", self.send_knock, knocking),
        ]

    async def make_join(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/make_join/{roomId}/{userId}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        versions = request.query.get("ver", FIRST_VERSION)
        user_id = request.parameters["userId"]
        return ok(await self._templates.join(request.origin, room_id, user_id, versions))

    async def make_leave(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/make_leave/{roomId}/{userId}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        return ok(
            await self._templates.leave(request.origin, room_id, request.parameters["userId"])
        )

    async def make_knock(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/make_knock/{roomId}/{userId}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        versions = request.query.get("ver", FIRST_VERSION)
        user_id = request.parameters["userId"]
        return ok(await self._templates.knock(request.origin, room_id, user_id, versions))

    async def send_join(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}``"""
        may_omit_members = request.query_value("omit_members") == "true"
        answer = await self._join(request, may_omit_members=may_omit_members)
        return await json_answer(answer, self._run_in_thread)

    async def send_join_v1(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v1/send_join/{roomId}/{eventId}``"""
        answer = await self._join(request, may_omit_members=False)
        return await json_answer(b"[200,%s]" % answer, self._run_in_thread)

    async def _join(self, request: Request, *, may_omit_members: bool) -> bytes:
        actor, join = await self._submissions.take(submission_of(request), Membership.JOIN)
        return await self._joins.answer(actor, join, may_omit_members=may_omit_members)

    async def send_leave(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}``"""
        await self._submissions.take(submission_of(request), Membership.LEAVE)
        return EMPTY

    async def send_leave_v1(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v1/send_leave/{roomId}/{eventId}``"""
        await self._submissions.take(submission_of(request), Membership.LEAVE)
        return Answer(b"[200,{}]")

    async def send_knock(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}``"""
        actor, knock = await self._submissions.take(submission_of(request), Membership.KNOCK)
        state = await description_of(actor, self._events, UserId(knock.sender))
        return ok({"knock_room_state": state})


def submission_of(request: Request) -> Submission:
    """The event that a request hands in. Raises InvalidParam for IDs that are none."""
    return Submission(
        request.origin,
        parse_room_id(request.parameters["roomId"]),
        parse_event_id(request.parameters["eventId"]),
        request.body_object(),
    )


def _make(what: str, handler: Callable[[Request], Awaitable[Answer]], section: str) -> Route:
    return route(
        "GET",
        (f"/_matrix/federation/v1/make_{what}/{{roomId}}/{{userId}}",),
        handler,
        section=section,
        access=Access.FEDERATION,
        rate=RateClass.FEDERATION,
    )


def _send(
    what: str, version: str, handler: Callable[[Request], Awaitable[Answer]], section: str
) -> Route:
    return route(
        "PUT",
        (f"/_matrix/federation/{version}/send_{what}/{{roomId}}/{{eventId}}",),
        handler,
        section=section,
        access=Access.FEDERATION,
        rate=RateClass.FEDERATION,
        max_body_bytes=MAX_EVENT_BYTES,
    )
