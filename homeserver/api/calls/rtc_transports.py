"""Where the media of MatrixRTC sessions can go (MSC4143, "Discovery of transport infrastructure").

The list is called ``transports`` in the proposal and ``rtc_transports`` by the clients there are.
"""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Unrecognized
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, route, unstable


class RtcTransportsApi:
    """The transports, best first. Without any the operation is answered as one that is not there:
    clients look into the well-known document then."""

    def __init__(self, transports: Sequence[JsonObject]) -> None:
        self._is_offered = bool(transports)
        self._answer = ok({"rtc_transports": transports, "transports": transports})

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                unstable("/rtc/transports", "org.matrix.msc4143"),
                self.get,
                access=Access.GUEST,
                section="MSC4143",
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /rtc/transports``"""
        if not self._is_offered:
            raise Unrecognized("This server knows no transports")
        return self._answer
