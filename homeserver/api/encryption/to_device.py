"""Messages from device to device.

Client-server API, "Send-to-Device messaging".
"""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.domain.identifiers import parse_user_id
from homeserver.http.answers import EMPTY, Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, client, route
from homeserver.services.encryption.to_device import ToDevice


class SendToDeviceBody(msgspec.Struct):
    """The body of ``PUT /sendToDevice/{eventType}/{txnId}``."""

    messages: dict[str, dict[str, dict[str, Any]]]


class ToDeviceApi:
    """Sending messages to devices."""

    def __init__(self, to_device: ToDevice) -> None:
        self._to_device = to_device

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "PUT",
                client("/sendToDevice/{eventType}/{txnId}"),
                self.send,
                body=SendToDeviceBody,
                access=Access.GUEST,
                section="Send-to-Device messaging",
            )
        ]

    async def send(self, request: Request, body: SendToDeviceBody) -> Answer:
        """``PUT /sendToDevice/{eventType}/{txnId}``"""
        messages = {parse_user_id(user): by_device for user, by_device in body.messages.items()}
        await self._to_device.send(
            request.requester,
            request.parameters["eventType"],
            request.parameters["txnId"],
            messages,
        )
        return EMPTY
