"""Registration by a shared secret, over HTTP."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from homeserver.services.accounts.registration_policy import RegistrationPolicy
from tests.homeserver.accounts import SHARED_SECRET, AccountsServer

PATH = "/_synapse/admin/v1/register"


def proved(nonce: str, secret: str = SHARED_SECRET, **changed: Any) -> dict[str, Any]:
    body = {"nonce": nonce, "username": "root", "password": "pass", "admin": True, **changed}
    parts = [nonce, body["username"], body["password"], "admin" if body["admin"] else "notadmin"]
    if "user_type" in body:
        parts.append(body["user_type"])
    mac = hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
    return {**body, "mac": mac}


async def nonce_of(server: AccountsServer) -> str:
    nonce: str = (await server.client.request("GET", PATH)).json["nonce"]
    return nonce


async def test_a_tool_makes_an_administrator_though_registration_is_closed() -> None:
    with AccountsServer(policy=RegistrationPolicy()) as server:
        done = await server.client.request("POST", PATH, proved(await nonce_of(server)))

        assert done.status == 200
        assert set(done.json) == {"user_id", "access_token", "device_id", "home_server"}
        assert done.json["user_id"] == "@root:hs"
        assert (await server.authentication.authenticate(done.json["access_token"])).is_admin


async def test_a_tool_makes_a_user_of_a_type_and_with_a_name(server: AccountsServer) -> None:
    body = proved(await nonce_of(server), admin=False, user_type="bot")

    done = await server.client.request("POST", PATH, {**body, "displayname": "Root"})

    assert done.status == 200
    assert server.events.taken()[0] == ("user_registered", "@root:hs", "Root")


async def test_a_wrong_proof_makes_no_account(server: AccountsServer) -> None:
    refused = await server.client.request(
        "POST", PATH, proved(await nonce_of(server), "another secret")
    )

    assert (refused.status, refused.json["errcode"]) == (403, "M_FORBIDDEN")
    assert server.rows("users") == 0


async def test_an_unknown_nonce_makes_no_account(server: AccountsServer) -> None:
    refused = await server.client.request("POST", PATH, proved("nonsense"))

    assert refused.status == 400
    assert server.rows("users") == 0


async def test_a_taken_name_is_refused(server: AccountsServer) -> None:
    await server.register("root")

    refused = await server.client.request("POST", PATH, proved(await nonce_of(server)))

    assert (refused.status, refused.json["errcode"]) == (400, "M_USER_IN_USE")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [({}, "M_MISSING_PARAM"), ({"nonce": 5}, "M_BAD_JSON")],
)
async def test_malformed_requests_are_refused(
    server: AccountsServer, body: dict[str, Any], errcode: str
) -> None:
    refused = await server.client.request("POST", PATH, body)

    assert (refused.status, refused.json["errcode"]) == (400, errcode)
