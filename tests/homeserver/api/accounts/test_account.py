"""Changing one's password and closing one's account, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.services.accounts.registration_policy import RegistrationPolicy
from homeserver.services.accounts.session_tokens import SessionRequest
from tests.homeserver.accounts import PASSWORD, AccountsServer
from tests.http_requests import Response

CHANGE = "/_matrix/client/v3/account/password"
DEACTIVATE = "/_matrix/client/v3/account/deactivate"
THREEPIDS = "/_matrix/client/v3/account/3pid"
NEW_PASSWORD = "battery staple"


def password_of(user: str, password: str = PASSWORD) -> dict[str, Any]:
    identifier = {"type": "m.id.user", "user": user}
    return {"type": "m.login.password", "identifier": identifier, "password": password}


async def authenticated(
    server: AccountsServer, target: str, body: dict[str, Any], auth: dict[str, Any], **options: Any
) -> Response:
    """Both rounds of a request that takes a password."""
    first = await server.client.request("POST", target, body, **options)
    assert first.status == 401
    assert first.json["flows"] == [{"stages": ["m.login.password"]}]
    full = {**body, "auth": {**auth, "session": first.json["session"]}}
    return await server.client.request("POST", target, full, **options)


async def logs_in(server: AccountsServer, user: str, password: str) -> bool:
    body = password_of(user, password)
    answer = await server.client.request("POST", "/_matrix/client/v3/login", body)
    return answer.status == 200


async def test_a_new_password_logs_out_the_other_devices(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)

    done = await authenticated(
        server,
        CHANGE,
        {"new_password": NEW_PASSWORD},
        password_of("alice"),
        token=phone.access_token,
    )

    assert (done.status, done.json) == (200, {})
    devices = await server.device_store.devices(phone.user_id)
    assert [device.device_id for device in devices] == [phone.device_id]
    await server.authentication.authenticate(phone.access_token)
    assert server.events.taken() == [
        ("sessions_ended", phone.user_id, [tablet.device_id]),
        ("device_deleted", phone.user_id, [tablet.device_id]),
    ]
    assert await logs_in(server, "alice", NEW_PASSWORD)
    assert not await logs_in(server, "alice", PASSWORD)


async def test_the_other_devices_may_stay(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)

    done = await authenticated(
        server,
        CHANGE,
        {"new_password": NEW_PASSWORD, "logout_devices": False},
        password_of("alice"),
        token=phone.access_token,
    )

    assert done.status == 200
    await server.authentication.authenticate(tablet.access_token)


async def test_a_password_is_changed_without_a_session(server: AccountsServer) -> None:
    phone = await server.register("alice")

    done = await authenticated(server, CHANGE, {"new_password": NEW_PASSWORD}, password_of("alice"))

    assert done.status == 200
    assert await server.device_store.devices(phone.user_id) == []
    assert await logs_in(server, "alice", NEW_PASSWORD)


@pytest.mark.parametrize("auth", [password_of("alice", "wrong horse"), password_of("bob")])
async def test_only_the_owner_changes_a_password(
    server: AccountsServer, auth: dict[str, Any]
) -> None:
    alice = await server.register("alice")
    await server.register("bob")

    refused = await authenticated(
        server, CHANGE, {"new_password": NEW_PASSWORD}, auth, token=alice.access_token
    )

    assert (refused.status, refused.json["errcode"]) == (401, "M_FORBIDDEN")
    assert refused.json["flows"] == [{"stages": ["m.login.password"]}]
    assert await logs_in(server, "alice", PASSWORD)
    assert await logs_in(server, "bob", PASSWORD)


async def test_a_session_is_not_good_for_another_new_password(server: AccountsServer) -> None:
    alice = await server.register("alice")
    first = await server.client.request(
        "POST", CHANGE, {"new_password": NEW_PASSWORD}, token=alice.access_token
    )

    auth = {**password_of("alice"), "session": first.json["session"]}
    refused = await server.client.request(
        "POST", CHANGE, {"new_password": "another one", "auth": auth}, token=alice.access_token
    )

    assert refused.status == 401
    assert await logs_in(server, "alice", PASSWORD)


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"new_password": "short"}, "M_WEAK_PASSWORD"),
        ({"new_password": 5}, "M_BAD_JSON"),
        ({}, "M_MISSING_PARAM"),
        ({"new_password": NEW_PASSWORD, "logout_devices": "no"}, "M_BAD_JSON"),
        ({"new_password": NEW_PASSWORD, "auth": []}, "M_BAD_JSON"),
        ({"new_password": NEW_PASSWORD, "auth": {"type": "m.login.password"}}, "M_MISSING_PARAM"),
    ],
)
async def test_malformed_changes_are_refused(
    server: AccountsServer, body: dict[str, Any], errcode: str
) -> None:
    alice = await server.register("alice")

    refused = await server.client.request("POST", CHANGE, body, token=alice.access_token)

    assert (refused.status, refused.json["errcode"]) == (400, errcode)
    assert await logs_in(server, "alice", PASSWORD)


async def test_a_token_that_is_sent_must_be_valid(server: AccountsServer) -> None:
    for target in (CHANGE, DEACTIVATE):
        refused = await server.client.request(
            "POST", target, {"new_password": NEW_PASSWORD}, token="unknown"
        )
        assert (refused.status, refused.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")


async def test_an_account_is_closed(server: AccountsServer) -> None:
    alice = await server.register("alice")

    done = await authenticated(
        server, DEACTIVATE, {"erase": True}, password_of("alice"), token=alice.access_token
    )

    assert (done.status, done.json) == (200, {"id_server_unbind_result": "success"})
    assert server.departures.left == [alice.user_id]
    assert ("user_deactivated", alice.user_id, True) in server.events.taken()
    who = await server.client.request(
        "GET", "/_matrix/client/v3/account/whoami", token=alice.access_token
    )
    assert (who.status, who.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    login = await server.client.request("POST", "/_matrix/client/v3/login", password_of("alice"))
    assert (login.status, login.json["errcode"]) == (403, "M_FORBIDDEN")
    taken = await server.client.request(
        "GET", "/_matrix/client/v3/register/available?username=alice"
    )
    assert taken.json["errcode"] == "M_USER_IN_USE"


async def test_an_account_is_closed_without_a_session(server: AccountsServer) -> None:
    await server.register("alice")

    done = await authenticated(server, DEACTIVATE, {}, password_of("alice"))

    assert done.status == 200
    login = await server.client.request("POST", "/_matrix/client/v3/login", password_of("alice"))
    assert (login.status, login.json["errcode"]) == (403, "M_USER_DEACTIVATED")


async def test_only_the_owner_closes_an_account(server: AccountsServer) -> None:
    alice = await server.register("alice")
    await server.register("bob")

    for auth in (password_of("alice", "wrong horse"), password_of("bob")):
        refused = await authenticated(server, DEACTIVATE, {}, auth, token=alice.access_token)
        assert (refused.status, refused.json["errcode"]) == (401, "M_FORBIDDEN")

    assert await logs_in(server, "alice", PASSWORD)
    assert await logs_in(server, "bob", PASSWORD)
    assert server.departures.left == []


async def test_guests_have_no_account_to_look_after() -> None:
    with AccountsServer(policy=RegistrationPolicy(allows_guests=True)) as server:
        guest = await server.accounts.register_guest(SessionRequest())
        for method, target in (("POST", CHANGE), ("POST", DEACTIVATE), ("GET", THREEPIDS)):
            refused = await server.client.request(
                method, target, {"new_password": NEW_PASSWORD}, token=guest.access_token
            )
            assert (refused.status, refused.json["errcode"]) == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_nobody_has_third_party_identifiers(server: AccountsServer) -> None:
    alice = await server.register("alice")

    answer = await server.client.request("GET", THREEPIDS, token=alice.access_token)

    assert (answer.status, answer.json) == (200, {"threepids": []})
