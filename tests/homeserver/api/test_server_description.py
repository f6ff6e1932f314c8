"""What the server says of itself: versions, capabilities, well-known documents."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.api.server.capabilities import CapabilitiesApi
from homeserver.api.server.third_party_networks import ThirdPartyNetworksApi
from homeserver.api.server.versions import VersionsApi
from homeserver.api.server.well_known import WellKnown, WellKnownApi
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.routes import Api
from tests.clock import FakeClock
from tests.homeserver.personal_server import ALICE, TokensAreUserIds
from tests.http_requests import Response, TestClient


async def get(api: Api, path: str, token: str | None = None) -> Response:
    clock = FakeClock()
    client = TestClient([api], TokensAreUserIds(), RateLimiter({}, clock.monotonic), clock)
    return await client.request("GET", path, token=token)


async def test_versions_are_told_to_anyone() -> None:
    response = await get(VersionsApi(["org.example.feature"]), "/_matrix/client/versions", "stale")
    assert "v1.1" in response.json["versions"]
    assert response.json["unstable_features"] == {"org.example.feature": True}


async def test_capabilities_name_the_room_versions() -> None:
    api = CapabilitiesApi("11", login_tokens=True)
    path = "/_matrix/client/v3/capabilities"
    assert (await get(api, path)).status == 401
    capabilities = (await get(api, path, ALICE)).json["capabilities"]
    assert capabilities["m.room_versions"]["default"] == "11"
    available = capabilities["m.room_versions"]["available"]
    assert {available[version] for version in ("10", "11", "12")} == {"stable"}
    assert capabilities["m.get_login_token"] == {"enabled": True}
    assert capabilities["m.profile_fields"] == {"enabled": True}


@pytest.mark.parametrize(
    ("name", "published", "expected"),
    [
        (
            "client",
            WellKnown("https://hs.example", client_extra={"org.example": 1}),
            {"m.homeserver": {"base_url": "https://hs.example"}, "org.example": 1},
        ),
        (
            "server",
            WellKnown("https://hs", server="hs.example:443"),
            {"m.server": "hs.example:443"},
        ),
        ("server", WellKnown("https://hs"), None),
        ("support", WellKnown("https://hs"), None),
        (
            "support",
            WellKnown("https://hs", support_page="https://hs/help"),
            {"support_page": "https://hs/help"},
        ),
        (
            "support",
            WellKnown(
                "https://hs",
                support_contacts=[{"role": "m.role.admin", "matrix_id": "@admin:hs"}],
            ),
            {"contacts": [{"role": "m.role.admin", "matrix_id": "@admin:hs"}]},
        ),
    ],
)
async def test_well_known_documents_are_published_if_they_say_anything(
    name: str, published: WellKnown, expected: Any
) -> None:
    response = await get(WellKnownApi(published), f"/.well-known/matrix/{name}")
    if expected is None:
        assert (response.status, response.json["errcode"]) == (404, "M_NOT_FOUND")
    else:
        assert (response.status, response.json) == (200, expected)


async def test_nothing_is_bridged() -> None:
    api = ThirdPartyNetworksApi()
    networks = "/_matrix/client/v3/thirdparty"
    assert (await get(api, f"{networks}/protocols", ALICE)).json == {}
    for path in ("protocol/irc", "location/irc", "user/irc", "location?alias=%23a:hs", "user"):
        response = await get(api, f"{networks}/{path}", ALICE)
        assert (response.status, response.json["errcode"]) == (404, "M_NOT_FOUND")
