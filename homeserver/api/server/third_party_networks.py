"""Networks that are bridged to, of which there are none without application services.

Client-server API, "Third-party Networks".
"""

from __future__ import annotations

from homeserver.domain.errors import NotFound
from homeserver.http.answers import EMPTY, Answer
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route

_SECTION = "Third-party Networks"


class ThirdPartyNetworksApi:
    """Look-ups of what is bridged."""

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route("GET", client("/thirdparty/protocols"), self.protocols, section=_SECTION),
            *(
                route("GET", client(f"/thirdparty/{path}"), self.nothing, section=_SECTION)
                for path in (
                    "protocol/{protocol}",
                    "location/{protocol}",
                    "user/{protocol}",
                    "location",
                    "user",
                )
            ),
        ]

    async def protocols(self, request: Request) -> Answer:
        """``GET /thirdparty/protocols``"""
        return EMPTY

    async def nothing(self, request: Request) -> Answer:
        """Every other look-up."""
        raise NotFound("Nothing is bridged here")
