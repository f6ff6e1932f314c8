"""Profiles over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.homeserver.personal_server import ALICE, BOB, PersonalServer

PROFILE = f"/_matrix/client/v3/profile/{ALICE}"


async def a_server() -> PersonalServer:
    server = PersonalServer()
    await server.register(ALICE)
    return server


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("displayname", "Alice"),
        ("avatar_url", "mxc://hs/picture"),
        ("m.tz", "Europe/Paris"),
        ("org.example.pets", {"cats": 2, "dogs": None}),
    ],
)
async def test_a_field_is_set_read_by_anyone_and_deleted(name: str, value: Any) -> None:
    client = (await a_server()).client
    path = f"{PROFILE}/{name}"
    assert (await client.request("PUT", path, {name: value}, token=ALICE)).json == {}
    assert (await client.request("GET", path)).json == {name: value}
    assert (await client.request("GET", PROFILE)).json == {name: value}
    for _ in range(2):
        assert (await client.request("DELETE", path, token=ALICE)).json == {}
    missing = await client.request("GET", path)
    assert (missing.status, missing.json["errcode"]) == (404, "M_NOT_FOUND")
    assert (await client.request("GET", PROFILE)).json == {}


async def test_fields_have_the_path_of_their_proposal_as_well() -> None:
    client = (await a_server()).client
    profile = f"/_matrix/client/unstable/uk.tcpip.msc4133/profile/{ALICE}"
    path = f"{profile}/m.tz"
    assert (await client.request("PUT", path, {"m.tz": "UTC"}, token=ALICE)).json == {}
    assert (await client.request("GET", path)).json == {"m.tz": "UTC"}
    assert (await client.request("GET", profile)).json == {"m.tz": "UTC"}
    assert (await client.request("DELETE", path, token=ALICE)).json == {}


async def test_users_who_do_not_exist_have_no_profile() -> None:
    client = (await a_server()).client
    for path in (f"/_matrix/client/v3/profile/{BOB}", f"/_matrix/client/v3/profile/{BOB}/m.tz"):
        response = await client.request("GET", path)
        assert (response.status, response.json["errcode"]) == (404, "M_NOT_FOUND")
    response = await client.request("GET", "/_matrix/client/v3/profile/alice")
    assert (response.status, response.json["errcode"]) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    ("name", "body", "errcode"),
    [
        ("displayname", {}, "M_MISSING_PARAM"),
        ("displayname", {"avatar_url": "mxc://hs/a"}, "M_MISSING_PARAM"),
        ("displayname", {"displayname": None}, "M_BAD_JSON"),
        ("displayname", ["Alice"], "M_BAD_JSON"),
        ("avatar_url", {"avatar_url": "https://hs/a"}, "M_INVALID_PARAM"),
        ("nickname", {"nickname": "Al"}, "M_INVALID_PARAM"),
        ("a.b", {"a.b": "x" * 65_536}, "M_PROFILE_TOO_LARGE"),
        ("a." + "b" * 254, {"a." + "b" * 254: 1}, "M_KEY_TOO_LARGE"),
    ],
)
async def test_what_does_not_belong_in_a_profile_is_refused(
    name: str, body: Any, errcode: str
) -> None:
    client = (await a_server()).client
    response = await client.request("PUT", f"{PROFILE}/{name}", body, token=ALICE)
    assert (response.status, response.json["errcode"]) == (400, errcode)
    assert (await client.request("GET", PROFILE)).json == {}


async def test_what_is_not_json_is_refused() -> None:
    client = (await a_server()).client
    response = await client.request("PUT", f"{PROFILE}/m.tz", raw_body=b"{", token=ALICE)
    assert (response.status, response.json["errcode"]) == (400, "M_NOT_JSON")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_nobody_changes_the_profile_of_others(method: str) -> None:
    client = (await a_server()).client
    path, body = f"{PROFILE}/displayname", {"displayname": "Eve"}
    response = await client.request(method, path, body, token=BOB)
    assert (response.status, response.json["errcode"]) == (403, "M_FORBIDDEN")
    assert (await client.request(method, path, body)).status == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_suspended_users_keep_their_profile(method: str) -> None:
    server = await a_server()
    server.authenticator.suspended.add(ALICE)
    path, body = f"{PROFILE}/displayname", {"displayname": "Alice"}
    response = await server.client.request(method, path, body, token=ALICE)
    assert (response.status, response.json["errcode"]) == (403, "M_USER_SUSPENDED")


async def test_guests_have_a_name_and_nothing_else() -> None:
    server = await a_server()
    server.authenticator.guests.add(ALICE)
    name = await server.client.request(
        "PUT", f"{PROFILE}/displayname", {"displayname": "Alice"}, token=ALICE
    )
    assert name.status == 200
    zone = await server.client.request("PUT", f"{PROFILE}/m.tz", {"m.tz": "UTC"}, token=ALICE)
    assert (zone.status, zone.json["errcode"]) == (403, "M_GUEST_ACCESS_FORBIDDEN")
