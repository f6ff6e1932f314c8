"""Logging in over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.http.rate_limits import Rate
from homeserver.http.routes import RateClass
from tests.homeserver.accounts import PASSWORD, AccountsServer

LOGIN = "/_matrix/client/v3/login"
GET_TOKEN = "/_matrix/client/v1/login/get_token"
ALICE = {
    "type": "m.login.password",
    "identifier": {"type": "m.id.user", "user": "alice"},
    "password": PASSWORD,
}


async def test_the_ways_to_log_in_are_told(server: AccountsServer) -> None:
    answer = await server.client.request("GET", LOGIN)

    assert answer.status == 200
    assert answer.json == {
        "flows": [
            {"type": "m.login.password"},
            {"type": "m.login.token", "get_login_token": True},
        ]
    }


@pytest.mark.parametrize(
    "who",
    [
        {"identifier": {"type": "m.id.user", "user": "alice"}},
        {"identifier": {"type": "m.id.user", "user": "@alice:hs"}},
        {"user": "alice"},
        {"user": "@Alice:hs"},
    ],
)
async def test_a_user_logs_in_with_a_password(server: AccountsServer, who: dict[str, Any]) -> None:
    await server.register("alice")

    body = {"type": "m.login.password", "password": PASSWORD, **who}
    done = await server.client.request("POST", LOGIN, body)

    assert done.status == 200
    assert set(done.json) == {"user_id", "access_token", "device_id", "home_server"}
    requester = await server.authentication.authenticate(done.json["access_token"])
    assert (requester.user_id, requester.device_id) == ("@alice:hs", done.json["device_id"])


async def test_a_client_logs_its_device_in_again(server: AccountsServer) -> None:
    await server.register("alice")
    body = {
        **ALICE,
        "device_id": "PHONE",
        "initial_device_display_name": "My phone",
        "refresh_token": True,
    }
    first = await server.client.request("POST", LOGIN, body)
    assert first.json["device_id"] == "PHONE"
    assert first.json["expires_in_ms"] == 60_000

    again = await server.client.request("POST", LOGIN, body)

    assert again.json["device_id"] == "PHONE"
    assert again.json["access_token"] != first.json["access_token"]
    old = await server.client.request(
        "GET", "/_matrix/client/v3/account/whoami", token=first.json["access_token"]
    )
    assert old.status == 401


@pytest.mark.parametrize(
    ("changed", "status", "errcode"),
    [
        ({"password": "wrong horse"}, 403, "M_FORBIDDEN"),
        ({"identifier": {"type": "m.id.user", "user": "bob"}}, 403, "M_FORBIDDEN"),
        ({"identifier": {"type": "m.id.user", "user": "@alice:other"}}, 403, "M_FORBIDDEN"),
        ({"identifier": {"type": "m.id.user", "user": "a\0"}}, 403, "M_FORBIDDEN"),
        (
            {"identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "a@b.c"}},
            403,
            "M_FORBIDDEN",
        ),
        ({"identifier": None, "medium": "email", "address": "a@b.c"}, 403, "M_FORBIDDEN"),
        ({"identifier": None}, 400, "M_MISSING_PARAM"),
        ({"identifier": {"type": "m.id.user"}}, 400, "M_MISSING_PARAM"),
        ({"identifier": "alice"}, 400, "M_BAD_JSON"),
        ({"identifier": {"type": "unknown"}}, 400, "M_INVALID_PARAM"),
        ({"password": None}, 400, "M_MISSING_PARAM"),
        ({"password": 5}, 400, "M_BAD_JSON"),
        ({"type": "m.login.unknown"}, 400, "M_UNKNOWN"),
        ({"type": "m.login.token"}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.token", "token": "guessed"}, 403, "M_FORBIDDEN"),
        ({"type": "m.login.application_service"}, 401, "M_MISSING_TOKEN"),
        ({"device_id": ""}, 400, "M_INVALID_PARAM"),
        ({"device_id": "x" * 256}, 400, "M_INVALID_PARAM"),
        ({"initial_device_display_name": "a\0b"}, 400, "M_INVALID_PARAM"),
    ],
)
async def test_other_logins_are_refused(
    server: AccountsServer, changed: dict[str, Any], status: int, errcode: str
) -> None:
    await server.register("alice")

    refused = await server.client.request("POST", LOGIN, {**ALICE, **changed})

    assert (refused.status, refused.json["errcode"]) == (status, errcode)
    assert server.rows("devices") == server.rows("access_tokens") == 1


async def test_a_login_names_its_type(server: AccountsServer) -> None:
    refused = await server.client.request("POST", LOGIN, {})

    assert (refused.status, refused.json["errcode"]) == (400, "M_MISSING_PARAM")


async def test_a_locked_account_does_not_log_in(server: AccountsServer) -> None:
    alice = await server.register("alice")
    await server.account_store.set_locked(alice.user_id, True)

    refused = await server.client.request("POST", LOGIN, ALICE)

    assert refused.status == 401
    assert refused.json["errcode"] == "M_USER_LOCKED"
    assert refused.json["soft_logout"] is True


async def test_a_suspended_account_logs_in(server: AccountsServer) -> None:
    alice = await server.register("alice")
    await server.account_store.set_suspended(alice.user_id, True)

    assert (await server.client.request("POST", LOGIN, ALICE)).status == 200


async def test_failures_are_limited_by_account_and_logins_by_address() -> None:
    with AccountsServer(rates={RateClass.LOGIN: Rate(per_second=0.1, burst=3)}) as server:
        await server.register("alice")
        wrong = {**ALICE, "password": "wrong horse"}
        for number in range(3):
            address = f"198.51.100.{number}"
            failed = await server.client.request("POST", LOGIN, wrong, address=address)
            assert failed.status == 403

        blocked = await server.client.request("POST", LOGIN, ALICE, address="198.51.100.9")
        assert blocked.status == 429
        assert blocked.json["errcode"] == "M_LIMIT_EXCEEDED"

        bob = {**ALICE, "identifier": {"type": "m.id.user", "user": "bob"}}
        statuses = [(await server.client.request("POST", LOGIN, bob)).status for _ in range(4)]
        assert statuses == [403, 403, 403, 429]


async def test_a_login_token_logs_another_client_in_once(server: AccountsServer) -> None:
    alice = await server.register("alice")
    first = await server.client.request("POST", GET_TOKEN, {}, token=alice.access_token)
    assert first.status == 401
    assert first.json["flows"] == [{"stages": ["m.login.password"]}]
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "alice"},
        "password": PASSWORD,
        "session": first.json["session"],
    }
    got = await server.client.request("POST", GET_TOKEN, {"auth": auth}, token=alice.access_token)
    assert got.status == 200
    assert got.json["expires_in_ms"] == 120_000

    body = {"type": "m.login.token", "token": got.json["login_token"], "device_id": "NEW"}
    done = await server.client.request("POST", LOGIN, body)
    assert done.status == 200
    assert (done.json["user_id"], done.json["device_id"]) == ("@alice:hs", "NEW")

    again = await server.client.request("POST", LOGIN, body)
    assert (again.status, again.json["errcode"]) == (403, "M_FORBIDDEN")


async def test_every_login_token_takes_a_password(server: AccountsServer) -> None:
    alice = await server.register("alice")
    first = await server.client.request("POST", GET_TOKEN, {}, token=alice.access_token)
    session = first.json["session"]
    auth = {"type": "m.login.password", "user": "alice", "password": PASSWORD, "session": session}
    await server.client.request("POST", GET_TOKEN, {"auth": auth}, token=alice.access_token)

    again = await server.client.request(
        "POST", GET_TOKEN, {"auth": {"session": session}}, token=alice.access_token
    )

    assert again.status == 401
    assert server.rows("login_tokens") == 1


async def test_a_login_token_expires(server: AccountsServer) -> None:
    alice = await server.register("alice")
    token = await server.login_tokens.issue(alice.user_id)
    server.clock.advance(120)

    refused = await server.client.request("POST", LOGIN, {"type": "m.login.token", "token": token})

    assert (refused.status, refused.json["errcode"]) == (403, "M_FORBIDDEN")
    assert server.rows("devices") == 1


async def test_a_login_token_needs_an_access_token(server: AccountsServer) -> None:
    refused = await server.client.request("POST", GET_TOKEN, {})

    assert (refused.status, refused.json["errcode"]) == (401, "M_MISSING_TOKEN")
