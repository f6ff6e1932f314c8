"""``/_myelin/admin/v1/federation``: other servers, for operators."""

from __future__ import annotations

from typing import Any, Final

from federation.admin.blocked_servers import BlockedServers
from federation.admin.destinations import DestinationReport, DestinationReports
from homeserver.domain.identifiers import ServerName, parse_server_name
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, route

_ROOT: Final = "/_myelin/admin/v1/federation"
_DESTINATION: Final = f"{_ROOT}/destinations/{{serverName}}"
_BLOCKED: Final = f"{_ROOT}/blocked/{{serverName}}"
_SECTION: Final = "Looking after federation"


class FederationAdminApi:
    """Looking at other servers, trying them at once, and blocking them."""

    def __init__(self, destinations: DestinationReports, blocked: BlockedServers) -> None:
        self._destinations = destinations
        self._blocked = blocked

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(method, (path,), handler, access=Access.ADMIN, section=_SECTION)
            for method, path, handler in (
                ("GET", f"{_ROOT}/destinations", self.destinations),
                ("GET", _DESTINATION, self.destination),
                ("POST", f"{_DESTINATION}/reset", self.reset),
                ("GET", f"{_ROOT}/blocked", self.blocked),
                ("PUT", _BLOCKED, self.block),
                ("DELETE", _BLOCKED, self.unblock),
            )
        ]

    async def destinations(self, request: Request) -> Answer:
        """``GET /federation/destinations``"""
        return ok({"destinations": [_body(each) for each in self._destinations.all()]})

    async def destination(self, request: Request) -> Answer:
        """``GET /federation/destinations/{serverName}``"""
        return ok(_body(self._destinations.one(_server_name(request))))

    async def reset(self, request: Request) -> Answer:
        """``POST /federation/destinations/{serverName}/reset``"""
        return ok(_body(self._destinations.reset(_server_name(request))))

    async def blocked(self, request: Request) -> Answer:
        """``GET /federation/blocked``"""
        servers = await self._blocked.all()
        return ok(
            {
                "blocked": [
                    {"server_name": each.server_name, "blocked_ts": each.blocked_ms}
                    for each in servers
                ]
            }
        )

    async def block(self, request: Request) -> Answer:
        """``PUT /federation/blocked/{serverName}``"""
        await self._blocked.block(_server_name(request))
        return EMPTY

    async def unblock(self, request: Request) -> Answer:
        """``DELETE /federation/blocked/{serverName}``"""
        await self._blocked.unblock(_server_name(request))
        return EMPTY


def _server_name(request: Request) -> ServerName:
    return parse_server_name(request.parameters["serverName"])


def _body(report: DestinationReport) -> dict[str, Any]:
    return {
        "server_name": report.server_name,
        "state": report.condition.value,
        "behind": report.behind,
        "failures": report.failures,
        "failing_since_ts": report.failing_since_ms,
        "last_failure_ts": report.last_failure_ms,
        "retry_at_ts": report.retry_at_ms,
        "last_success_ts": report.last_success_ms,
    }
