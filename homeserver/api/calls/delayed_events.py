"""Scheduling, restarting, sending and cancelling delayed events (MSC4140), and listing them
(MSC4486)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec

from homeserver.api.calls.delayed_event_json import delayed_event_json, listed_in_two
from homeserver.domain.errors import InvalidParam, MissingParam
from homeserver.domain.identifiers import parse_room_id
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route, unstable
from homeserver.ports.calls.delayed_events import FINALISED, DelayedEvent, Selection, Status
from homeserver.services.calls.delayed_events import DelayedEvents, Postponed, Scheduler
from homeserver.services.calls.delivery import Delivery

PAGE: Final = 100
_SECTION: Final = "MSC4140"
_TOKEN: Final = re.compile(r"d([0-9]{1,15})_([0-9A-Za-z_-]{1,255})", re.ASCII)


class DelayedEventBody(msgspec.Struct):
    """An event to send later. ``delay`` is what ``delay_ms`` was called before."""

    content: dict[str, Any]
    delay_ms: int | None = None
    delay: int | None = None
    state_key: str | None = None


class ActionBody(msgspec.Struct):
    """What to do with a delayed event, in an earlier form of the proposal."""

    action: Literal["restart", "send", "cancel"]


class ListQuery(msgspec.Struct):
    """The query of ``GET /delayed_events`` in an earlier form of MSC4140."""

    status: Literal["scheduled", "finalised"] | None = None
    delay_id: list[str] = msgspec.field(default_factory=list)


class PageQuery(msgspec.Struct):
    """The query of ``GET /delayed_events`` in MSC4486."""

    status: Literal["scheduled", "sent", "cancelled", "failed"] | None = None
    room_id: str | None = None
    type: str | None = None
    from_ts: int | None = None
    to_ts: int | None = None
    dir: Literal["f", "b"] = "f"
    from_: str | None = msgspec.field(default=None, name="from")


class DelayedEventsApi:
    """Delayed events. Who knows the ID of one may decide over it, with a token or without: it is
    given to services that watch over a call."""

    def __init__(self, scheduler: Scheduler, events: DelayedEvents, delivery: Delivery) -> None:
        self._scheduler = scheduler
        self._events = events
        self._actions: dict[str, Callable[[str], Awaitable[None]]] = {
            "restart": delivery.restart,
            "send": delivery.at_once,
            "cancel": delivery.cancel,
        }

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        one = unstable("/delayed_events/{delayId}", "org.matrix.msc4140")
        return [
            route(
                "PUT",
                unstable("/rooms/{roomId}/delayed_event/{eventType}/{txnId}", "org.matrix.msc4140"),
                self.schedule,
                body=DelayedEventBody,
                access=Access.GUEST,
                rate=RateClass.MESSAGE,
                section=_SECTION,
            ),
            *(
                route(
                    "POST",
                    unstable(f"/delayed_events/{{delayId}}/{action}", "org.matrix.msc4140"),
                    self._acting(action),
                    access=Access.OPTIONAL,
                    section=_SECTION,
                )
                for action in self._actions
            ),
            route("POST", one, self.act, body=ActionBody, access=Access.OPTIONAL, section=_SECTION),
            route("GET", one, self.get, access=Access.GUEST, section=_SECTION),
            route(
                "GET",
                unstable("/delayed_events", "org.matrix.msc4140"),
                self.list_in_two,
                access=Access.GUEST,
                section=_SECTION,
            ),
            route(
                "GET",
                unstable("/delayed_events", "org.matrix.msc4486"),
                self.list_page,
                access=Access.GUEST,
                section="MSC4486",
            ),
        ]

    async def schedule(self, request: Request, body: DelayedEventBody) -> Answer:
        """``PUT /rooms/{roomId}/delayed_event/{eventType}/{txnId}``"""
        parameters = request.parameters
        delay_ms = body.delay_ms if body.delay_ms is not None else body.delay
        if delay_ms is None:
            raise MissingParam("delay_ms is missing")
        delay_id = await self._scheduler.schedule(
            request.requester,
            Postponed(
                parse_room_id(parameters["roomId"]),
                parameters["eventType"],
                body.state_key,
                body.content,
                delay_ms,
            ),
            parameters["txnId"],
        )
        return ok({"delay_id": delay_id})

    def _acting(self, action: str) -> Callable[[Request], Awaitable[Answer]]:
        act = self._actions[action]

        async def handle(request: Request) -> Answer:
            await act(request.parameters["delayId"])
            return EMPTY

        return handle

    async def act(self, request: Request, body: ActionBody) -> Answer:
        """``POST /delayed_events/{delayId}``"""
        await self._actions[body.action](request.parameters["delayId"])
        return EMPTY

    async def get(self, request: Request) -> Answer:
        """``GET /delayed_events/{delayId}``"""
        delayed = await self._events.one(request.user_id, request.parameters["delayId"])
        return ok(delayed_event_json(delayed))

    async def list_in_two(self, request: Request) -> Answer:
        """``GET /delayed_events``, scheduled and finalised ones apart."""
        query = request.query_as(ListQuery)
        scheduled: list[DelayedEvent] | None = None
        finalised: list[DelayedEvent] | None = None
        if query.status != "finalised":
            selection = Selection({Status.SCHEDULED}, delay_ids=query.delay_id)
            scheduled = await self._events.listed(request.user_id, selection, PAGE)
        if query.status != "scheduled":
            selection = Selection(FINALISED, delay_ids=query.delay_id, backwards=True)
            finalised = await self._events.listed(request.user_id, selection, PAGE)
        return ok(listed_in_two(scheduled, finalised))

    async def list_page(self, request: Request) -> Answer:
        """``GET /delayed_events``, a page of those that are asked for."""
        query = request.query_as(PageQuery)
        selection = Selection(
            frozenset(Status) if query.status is None else {Status(query.status)},
            room_id=query.room_id,
            type=query.type,
            from_ts=query.from_ts,
            to_ts=query.to_ts,
            after=None if query.from_ is None else _place(query.from_),
            backwards=query.dir == "b",
        )
        found = await self._events.listed(request.user_id, selection, PAGE + 1)
        answer: dict[str, Any] = {"delayed_events": [delayed_event_json(e) for e in found[:PAGE]]}
        if len(found) > PAGE:
            last = found[PAGE - 1]
            answer["next_batch"] = f"d{last.send_ts}_{last.delay_id}"
        return ok(answer)


def _place(token: str) -> tuple[int, str]:
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise InvalidParam("This is not a token of this list")
    return int(found[1]), found[2]
