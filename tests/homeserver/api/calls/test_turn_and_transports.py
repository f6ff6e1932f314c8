"""What clients are told of the servers that carry calls."""

from __future__ import annotations

import pytest

from homeserver.api.calls.rtc_transports import RtcTransportsApi
from homeserver.api.calls.turn import TurnApi
from homeserver.api.server.well_known import WellKnown, WellKnownApi
from homeserver.domain.canonical_json import JsonObject
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.routes import Api
from homeserver.services.calls.turn_credentials import TurnCredentials, TurnServers
from tests.clock import FakeClock
from tests.homeserver.personal_server import ALICE, TokensAreUserIds
from tests.http_requests import Response, TestClient

TRANSPORT = {"type": "livekit", "livekit_service_url": "https://rtc.hs"}
TURN = "/_matrix/client/v3/voip/turnServer"
TRANSPORTS = "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"


async def get(api: Api, path: str, token: str | None = ALICE) -> Response:
    clock = FakeClock()
    client = TestClient([api], TokensAreUserIds(), RateLimiter({}, clock.monotonic), clock)
    return await client.request("GET", path, token=token)


def turn(servers: TurnServers, *, for_guests: bool = False) -> TurnApi:
    return TurnApi(TurnCredentials(servers, FakeClock()), for_guests=for_guests)


async def test_turn_servers_are_told_with_credentials() -> None:
    servers = TurnServers(("turn:turn.hs",), username="us", password="open")
    response = await get(turn(servers), TURN)
    assert response.json == {
        "username": "us",
        "password": "open",
        "uris": ["turn:turn.hs"],
        "ttl": 86_400,
    }
    assert (await get(turn(TurnServers()), TURN)).json == {}


async def test_credentials_are_for_users_alone() -> None:
    servers = TurnServers(("turn:turn.hs",), username="us", password="open")
    response = await get(turn(servers), TURN, None)
    assert (response.status, response.json["errcode"]) == (401, "M_MISSING_TOKEN")


@pytest.mark.parametrize("for_guests", [True, False])
async def test_guests_call_where_they_may(for_guests: bool) -> None:
    api = turn(TurnServers(), for_guests=for_guests)
    assert [route.access.name for route in api.routes()] == ["GUEST" if for_guests else "USER"]


async def test_transports_are_told_under_both_names() -> None:
    response = await get(RtcTransportsApi([TRANSPORT]), TRANSPORTS)
    assert response.json == {"rtc_transports": [TRANSPORT], "transports": [TRANSPORT]}
    anonymous = await get(RtcTransportsApi([TRANSPORT]), TRANSPORTS, None)
    assert (anonymous.status, anonymous.json["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_without_transports_clients_look_elsewhere() -> None:
    response = await get(RtcTransportsApi([]), TRANSPORTS)
    assert (response.status, response.json["errcode"]) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    ("foci", "expected"),
    [((), {}), ((TRANSPORT,), {"org.matrix.msc4143.rtc_foci": [TRANSPORT]})],
)
async def test_older_clients_find_the_transports_in_the_well_known_document(
    foci: tuple[JsonObject, ...], expected: JsonObject
) -> None:
    published = WellKnown("https://hs", rtc_foci=foci)
    response = await get(WellKnownApi(published), "/.well-known/matrix/client", None)
    assert response.json == {**expected, "m.homeserver": {"base_url": "https://hs"}}
