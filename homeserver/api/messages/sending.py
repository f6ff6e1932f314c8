"""Sending and redacting messages."""

from __future__ import annotations

from homeserver.domain.identifiers import parse_event_id, parse_room_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.services.messages.messages import Messages
from homeserver.services.messages.redactions import Redactions


class SendingApi:
    """Sending message events."""

    def __init__(self, messages: Messages, redactions: Redactions) -> None:
        self._messages = messages
        self._redactions = redactions

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
        event_id = await self._messages.send(
            request.requester,
            parse_room_id(parameters["roomId"]),
            parameters["eventType"],
            request.body_object(),
            parameters["txnId"],
        )
        return ok({"event_id": event_id})

    async def redact(self, request: Request) -> Answer:
        """``PUT /rooms/{roomId}/redact/{eventId}/{txnId}``"""
        parameters = request.parameters
        content = request.body_object()
        content.pop("redacts", None)
        event_id = await self._redactions.redact(
            request.requester,
            parse_room_id(parameters["roomId"]),
            parse_event_id(parameters["eventId"]),
            content,
            parameters["txnId"],
        )
        return ok({"event_id": event_id})
