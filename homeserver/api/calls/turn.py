"""TURN servers for calls. Client-server API, "Voice over IP"."""

from __future__ import annotations

from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, client, route
from homeserver.services.calls.turn_credentials import TurnCredentials


class TurnApi:
    """Credentials, also for guests where ``for_guests`` says so."""

    def __init__(self, credentials: TurnCredentials, *, for_guests: bool) -> None:
        self._credentials = credentials
        self._for_guests = for_guests

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                client("/voip/turnServer"),
                self.get,
                access=Access.GUEST if self._for_guests else Access.USER,
                section="Voice over IP",
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /voip/turnServer``"""
        return ok(self._credentials.of(request.user_id))
