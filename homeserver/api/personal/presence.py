"""Presence.

Client-server API, "Presence".
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from homeserver.api.accounts.own_user import own_user_id
from homeserver.domain.identifiers import parse_user_id
from homeserver.domain.presence import PresenceState
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import RateClass, Route, client, route
from homeserver.services.personal.presence import Presence

_SECTION = "Presence"


class PresenceBody(msgspec.Struct):
    """The body of ``PUT /presence/{userId}/status``."""

    presence: PresenceState
    status_msg: Annotated[str, msgspec.Meta(max_length=1024)] | None = None


class PresenceApi:
    """Who is there."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        status = client("/presence/{userId}/status")
        return [
            route("GET", status, self.get, section=_SECTION),
            route(
                "PUT",
                status,
                self.put,
                body=PresenceBody,
                rate=RateClass.EPHEMERAL,
                section=_SECTION,
            ),
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /presence/{userId}/status``"""
        user_id = parse_user_id(request.parameters["userId"])
        return ok(await self._presence.seen_by(request.user_id, user_id))

    async def put(self, request: Request, body: PresenceBody) -> Answer:
        """``PUT /presence/{userId}/status``"""
        self._presence.set(
            own_user_id(request), body.presence, body.status_msg, request.device_id or ""
        )
        return EMPTY
