"""Typing notifications.

Client-server API, "Typing Notifications".
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from homeserver.api.accounts.own_user import own_user_id
from homeserver.domain.identifiers import parse_room_id
from homeserver.http.answers import EMPTY, Answer
from homeserver.http.request import Request
from homeserver.http.routes import RateClass, Route, client, route
from homeserver.services.messages.typing import DEFAULT_TIMEOUT_MS, Typing


class TypingBody(msgspec.Struct):
    """The body of ``PUT /rooms/{roomId}/typing/{userId}``; ``timeout`` is in milliseconds."""

    typing: bool
    timeout: Annotated[int, msgspec.Meta(ge=0)] | None = None


class TypingApi:
    """That the user is typing."""

    def __init__(self, typing: Typing) -> None:
        self._typing = typing

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "PUT",
                client("/rooms/{roomId}/typing/{userId}"),
                self.put,
                body=TypingBody,
                rate=RateClass.EPHEMERAL,
                section="Typing Notifications",
            )
        ]

    async def put(self, request: Request, body: TypingBody) -> Answer:
        """``PUT /rooms/{roomId}/typing/{userId}``"""
        user_id = own_user_id(request)
        room_id = parse_room_id(request.parameters["roomId"])
        if body.typing:
            timeout_ms = DEFAULT_TIMEOUT_MS if body.timeout is None else body.timeout
            await self._typing.start(user_id, room_id, timeout_ms)
        else:
            await self._typing.stop(user_id, room_id)
        return EMPTY
