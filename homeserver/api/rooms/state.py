"""Reading and setting the state of rooms."""

from __future__ import annotations

from typing import Literal

import msgspec

from homeserver.api.calls.delay_parameter import requested_delay
from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import parse_room_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.services.calls.delayed_events import NoDelays, Postponed, Scheduler
from homeserver.services.rooms.room_state import RoomState
from homeserver.services.rooms.state_reading import StateReading


class StateQuery(msgspec.Struct):
    """The query of ``GET /rooms/{roomId}/state/{eventType}/{stateKey}``."""

    format: Literal["content", "event"] = "content"


class StateApi:
    """The state of rooms. Without a state key in the path it is the empty one."""

    def __init__(
        self, state: RoomState, reading: StateReading, scheduler: Scheduler | None = None
    ) -> None:
        self._state = state
        self._reading = reading
        self._scheduler = scheduler or NoDelays()

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        whole = "/rooms/{roomId}/state"
        one = (
            *client(f"{whole}/{{eventType}}"),
            *client(f"{whole}/{{eventType}}/{{stateKey}}"),
        )
        return [
            route(
                "GET",
                client(whole),
                self.get_all,
                access=Access.GUEST,
                section="Getting events for a room",
            ),
            route("GET", one, self.get, access=Access.GUEST, section="Getting events for a room"),
            route(
                "PUT",
                one,
                self.put,
                access=Access.GUEST,
                rate=RateClass.MESSAGE,
                section="Sending events to a room",
            ),
        ]

    async def get_all(self, request: Request) -> Answer:
        """``GET /rooms/{roomId}/state``"""
        room_id = parse_room_id(request.parameters["roomId"])
        return Answer(b"[%s]" % b",".join(await self._reading.all(request.requester, room_id)))

    async def get(self, request: Request) -> Answer:
        """``GET /rooms/{roomId}/state/{eventType}/{stateKey}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        read = self._reading.content
        if request.query_as(StateQuery).format == "event":
            read = self._reading.one
        return Answer(await read(request.requester, room_id, _key(request)))

    async def put(self, request: Request) -> Answer:
        """``PUT /rooms/{roomId}/state/{eventType}/{stateKey}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        type, state_key = _key(request)
        content = request.body_object()
        delay_ms = requested_delay(request)
        if delay_ms is not None:
            postponed = Postponed(room_id, type, state_key, content, delay_ms)
            delay_id = await self._scheduler.schedule(request.requester, postponed, None)
            return ok({"delay_id": delay_id})
        event_id = await self._state.set(request.requester, room_id, type, state_key, content)
        return ok({"event_id": event_id})


def _key(request: Request) -> StateKey:
    return request.parameters["eventType"], request.parameters.get("stateKey", "")
