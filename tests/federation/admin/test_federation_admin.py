"""Looking at other servers, trying them at once and blocking them, as operators do over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from federation.admin.blocked_servers import BlockedServers
from federation.admin.destinations import DestinationReports
from federation.admin.federation_admin_api import FederationAdminApi
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.domain.requester import Requester
from homeserver.http.rate_limits import RateLimiter
from homeserver.runtime.wiring.admin import TroubledServers
from storage.federation.blocked_servers import SqlBlockedServerStore
from tests.deferreds import on_event_loop
from tests.federation.outbound.sending_server import BOB, THERE, SendingServer
from tests.http_requests import Response, TestClient
from tests.rooms_fixture import KnownTokens, OpenEngine, postgres_at, refused, sqlite_at

ROOT = "/_myelin/admin/v1/federation"
DESTINATIONS = f"{ROOT}/destinations"
ELSEWHERE = ServerName("elsewhere.example")


class AdminServer(SendingServer):
    """A server that sends, and is looked after."""

    def __init__(self, open_engine: OpenEngine, denied: tuple[str, ...] = ()) -> None:
        self.peers = FederationPeers(None, denied)
        super().__init__(open_engine, peers=self.peers)
        tokens = KnownTokens()
        tokens.requesters["admin"] = Requester(UserId("@admin:hs"), None, 1, is_admin=True)
        tokens.requesters["alice"] = Requester(UserId("@alice:hs"), None, 2)
        self.blocked_servers = BlockedServers(
            SqlBlockedServerStore(self.log), self.peers, self.health, self.clock
        )
        self.reporting = DestinationReports(self.destinations, self.health, self.peers, self.clock)
        self.client = TestClient(
            [FederationAdminApi(self.reporting, self.blocked_servers)],
            tokens,
            RateLimiter({}, self.clock.monotonic),
            self.clock,
        )

    async def ask(self, method: str, target: str, token: str | None = "admin") -> Response:
        """A request of an administrator, unless told."""
        return await self.client.request(method, target, token=token)

    async def reports(self) -> dict[str, Any]:
        answer = await self.ask("GET", DESTINATIONS)
        return {each["server_name"]: each for each in answer.json["destinations"]}


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> OpenEngine:
    """The way to open a database."""
    if request.param == "sqlite":
        return sqlite_at(tmp_path / "sending.db")
    return postgres_at(request.getfixturevalue("postgres_dsn"))


@pytest_asyncio.fixture
async def server(engine: OpenEngine) -> AsyncIterator[AdminServer]:
    """A server on each database."""
    made = await AdminServer(engine).start()
    yield made
    await made.close()


OPERATIONS = [
    ("GET", DESTINATIONS),
    ("GET", f"{DESTINATIONS}/there.example"),
    ("POST", f"{DESTINATIONS}/there.example/reset"),
    ("GET", f"{ROOT}/blocked"),
    ("PUT", f"{ROOT}/blocked/there.example"),
    ("DELETE", f"{ROOT}/blocked/there.example"),
]


@pytest.mark.parametrize(("method", "target"), OPERATIONS)
async def test_only_administrators_may(server: AdminServer, method: str, target: str) -> None:
    assert refused(await server.ask(method, target, "alice")) == (403, "M_FORBIDDEN")
    assert refused(await server.ask(method, target, None)) == (401, "M_MISSING_TOKEN")
    assert server.peers.blocked == frozenset()


async def test_a_server_that_answers_is_live(server: AdminServer) -> None:
    assert await server.reports() == {}
    room = await server.room(BOB)
    await server.says(room, "hello")
    await server.passes(1)
    report = (await server.reports())[THERE]
    assert (report["state"], report["behind"], report["failures"]) == ("live", 0, 0)
    assert report["last_success_ts"] is not None
    assert report["retry_at_ts"] is None


async def test_a_server_that_does_not_answer_is_left_alone_until_it_is_reset(
    server: AdminServer,
) -> None:
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says(room, "hello")
    await server.passes(100)
    report = (await server.reports())[THERE]
    assert report["state"] == "backing_off"
    assert report["behind"] > 0
    assert report["failures"] > 1
    assert report["retry_at_ts"] > server.clock.now_ms()
    assert report["last_success_ts"] is None
    server.network.down.clear()
    answer = await server.ask("POST", f"{DESTINATIONS}/{THERE}/reset")
    assert answer.status == 200
    assert answer.json["failures"] == 0
    await server.passes()
    assert server.network.bodies(THERE) == ["hello"]
    assert (await server.reports())[THERE]["state"] == "live"
    await on_event_loop(server.health.flush())
    assert server.rows("SELECT destination FROM failing_destinations") == []


async def test_there_are_metrics_of_the_servers_that_do_worst(server: AdminServer) -> None:
    registry = CollectorRegistry()
    TroubledServers(server.reporting, registry)
    room = await server.room(BOB, UserId(f"@carol:{ELSEWHERE}"))
    server.network.down.add(THERE)
    await server.says(room, "hello")
    await server.passes(10)
    name = "myelin_federation_server_failures"
    assert (registry.get_sample_value(name, {"server": THERE}) or 0) > 1
    assert registry.get_sample_value(name, {"server": ELSEWHERE}) is None
    behind = "myelin_federation_server_behind_positions"
    assert (registry.get_sample_value(behind, {"server": THERE}) or 0) > 0
    assert [each.server_name for each in server.reporting.worst(1)] == [THERE]


async def test_nothing_is_known_of_strangers(server: AdminServer) -> None:
    for method, target in (
        ("GET", f"{DESTINATIONS}/stranger.example"),
        ("POST", f"{DESTINATIONS}/stranger.example/reset"),
        ("DELETE", f"{ROOT}/blocked/stranger.example"),
    ):
        assert refused(await server.ask(method, target)) == (404, "M_NOT_FOUND")


async def test_what_is_no_server_name_is_not_blocked(server: AdminServer) -> None:
    answer = await server.ask("PUT", f"{ROOT}/blocked/not%20a%20name")
    assert refused(answer) == (400, "M_INVALID_PARAM")
    assert (await server.ask("GET", f"{ROOT}/blocked")).json == {"blocked": []}


async def test_a_server_is_blocked_at_once_and_after_a_restart(engine: OpenEngine) -> None:
    server = await AdminServer(engine).start()
    room = await server.room(BOB)
    assert (await server.ask("PUT", f"{ROOT}/blocked/{THERE.upper()}")).status == 200
    assert not server.peers.allows(THERE)
    await server.says(room, "hello")
    await server.passes(2)
    assert server.network.bodies(THERE) == []
    assert (await server.reports())[THERE]["state"] == "blocked"
    await server.stops()
    restarted = await AdminServer(engine).start()
    await on_event_loop(restarted.blocked_servers.load())
    assert not restarted.peers.allows(ServerName(f"{THERE}:8448"))
    (blocked,) = (await restarted.ask("GET", f"{ROOT}/blocked")).json["blocked"]
    assert blocked["server_name"] == THERE
    await restarted.close()


async def test_a_server_that_is_unblocked_is_talked_to_again(server: AdminServer) -> None:
    room = await server.room(BOB)
    await server.ask("PUT", f"{ROOT}/blocked/{THERE}")
    await server.says(room, "unheard")
    await server.passes(1)
    assert (await server.ask("DELETE", f"{ROOT}/blocked/{THERE}")).status == 200
    assert server.peers.allows(THERE)
    await server.says(room, "hello")
    await server.passes(1)
    assert server.network.bodies(THERE)[-1:] == ["hello"]
    assert (await server.ask("GET", f"{ROOT}/blocked")).json == {"blocked": []}


async def test_what_the_configuration_denies_is_not_unblocked_here(engine: OpenEngine) -> None:
    server = await AdminServer(engine, ("there.example",)).start()
    answer = await server.ask("DELETE", f"{ROOT}/blocked/{THERE}")
    assert refused(answer) == (404, "M_NOT_FOUND")
    assert not server.peers.allows(THERE)
    await server.close()
