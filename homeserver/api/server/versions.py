"""Which versions of the specification the server speaks.

Client-server API, "API Versions".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, route

SPECIFICATION_VERSIONS: Final = (
    # What older clients look for: every operation is served under r0 as well.
    "r0.6.1",
    *(f"v1.{minor}" for minor in range(1, 16)),
)


class VersionsApi:
    """Versions, and features that the specification does not have yet."""

    def __init__(self, unstable_features: Iterable[str] = ()) -> None:
        features = dict.fromkeys(unstable_features, True)
        self._answer = ok({"versions": SPECIFICATION_VERSIONS, "unstable_features": features})

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                ("/_matrix/client/versions",),
                self.get,
                access=Access.PUBLIC,
                section="API Versions",
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /_matrix/client/versions``"""
        return self._answer
