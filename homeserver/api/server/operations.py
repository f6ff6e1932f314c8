"""What operators ask the server: is it well, and its figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network

from homeserver.domain.errors import Forbidden
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.database import DatabaseDown


class OperationsApi:
    """/health and /metrics.

    ``check`` asks the database for a sign of life; ``render`` gives the metrics, or is None where
    they are switched off; ``allow_from`` lists the networks that may read them.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        render: Callable[[], bytes] | None,
        content_type: bytes,
        allow_from: tuple[str, ...],
    ) -> None:
        self._check = check
        self._render = render
        self._content_type = content_type
        self._networks = [ip_network(network) for network in allow_from]

    def routes(self) -> list[Route]:
        """The operations of this area."""
        routes = [
            route(
                "GET",
                ("/health",),
                self.health,
                access=Access.PUBLIC,
                rate=RateClass.NONE,
                section="operations",
            )
        ]
        if self._render is not None:
            routes.append(
                route(
                    "GET",
                    ("/metrics",),
                    self.metrics,
                    access=Access.PUBLIC,
                    rate=RateClass.NONE,
                    section="operations",
                )
            )
        return routes

    async def health(self, request: Request) -> Answer:
        """200 while the server can serve, 503 while its database is away."""
        try:
            await self._check()
        except DatabaseDown:
            return ok({"status": "database unavailable"}, 503)
        return ok({"status": "ok"})

    async def metrics(self, request: Request) -> Answer:
        """The figures, in Prometheus' text format."""
        address = ip_address(request.address)
        if not any(address in network for network in self._networks):
            raise Forbidden("Metrics are not for this address")
        assert self._render is not None
        return Answer(self._render(), content_type=self._content_type)
