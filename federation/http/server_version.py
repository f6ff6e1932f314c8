"""What this server is.

Server-server API, "Server implementation".
"""

from __future__ import annotations

from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route

NAME = "Myelin"


class ServerVersionApi:
    """The name and the version of the implementation."""

    def __init__(self, version: str) -> None:
        self._answer = ok({"server": {"name": NAME, "version": version}})

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                ("/_matrix/federation/v1/version",),
                self.get,
                section="Server implementation",
                access=Access.PUBLIC,
                rate=RateClass.FEDERATION,
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/version``"""
        return self._answer
