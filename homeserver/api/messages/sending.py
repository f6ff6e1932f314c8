"""Sending and redacting messages."""

from __future__ import annotations

from homeserver.api.calls.delay_parameter import requested_delay
from homeserver.domain.identifiers import parse_event_id, parse_room_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.services.calls.delayed_events import NoDelays, Postponed, Scheduler
from homeserver.services.messages.messages import Messages
from homeserver.services.messages.redactions import REDACTION, Redactions


class SendingApi:
    """Sending message events, now or later."""

    def __init__(
        self, messages: Messages, redactions: Redactions, scheduler: Scheduler | None = None
    ) -> None:
        self._messages = messages
        self._redactions = redactions
        self._scheduler = scheduler or NoDelays()

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "PUT",
                client("/rooms/{roomId}/send/{eventType}/{txnId}"),
                self.send,
                access=Access.GUEST,
                rate=RateClass.MESSAGE,
                section="Sending events to a room",
            ),
            route(
                "PUT",
                client("/rooms/{roomId}/redact/{eventId}/{txnId}"),
                self.redact,
                rate=RateClass.MESSAGE,
                section="Redactions",
            ),
        ]

    async def send(self, request: Request) -> Answer:
        """``PUT /rooms/{roomId}/send/{eventType}/{txnId}``"""
        parameters = request.parameters
        room_id = parse_room_id(parameters["roomId"])
        type, txn_id = parameters["eventType"], parameters["txnId"]
        content = request.body_object()
        delay_ms = requested_delay(request)
        if delay_ms is not None:
            postponed = Postponed(room_id, type, None, content, delay_ms)
            delay_id = await self._scheduler.schedule(request.requester, postponed, txn_id)
            return ok({"delay_id": delay_id})
        event_id = await self._messages.send(request.requester, room_id, type, content, txn_id)
        return ok({"event_id": event_id})

    async def redact(self, request: Request) -> Answer:
        """``PUT /rooms/{roomId}/redact/{eventId}/{txnId}``"""
        parameters = request.parameters
        room_id = parse_room_id(parameters["roomId"])
        redacts, txn_id = parse_event_id(parameters["eventId"]), parameters["txnId"]
        content = request.body_object()
        content.pop("redacts", None)
        delay_ms = requested_delay(request)
        if delay_ms is not None:
            content["redacts"] = redacts
            postponed = Postponed(room_id, REDACTION, None, content, delay_ms)
            delay_id = await self._scheduler.schedule(request.requester, postponed, txn_id)
            return ok({"delay_id": delay_id})
        event_id = await self._redactions.redact(
            request.requester, room_id, redacts, content, txn_id
        )
        return ok({"event_id": event_id})
