"""Registering over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.http.rate_limits import Rate
from homeserver.http.routes import RateClass
from homeserver.services.accounts.registration_policy import RegistrationPolicy
from tests.homeserver.accounts import PASSWORD, AccountsServer
from tests.http_requests import Response

REGISTER = "/_matrix/client/v3/register"
AVAILABLE = f"{REGISTER}/available"
VALIDITY = "/_matrix/client/v1/register/m.login.registration_token/validity"
ALICE = {"username": "alice", "password": PASSWORD}
DUMMY = {"type": "m.login.dummy"}


async def register(server: AccountsServer, body: dict[str, Any], **options: Any) -> Response:
    """Both rounds of a registration without conditions."""
    first = await server.client.request("POST", REGISTER, body, **options)
    assert first.status == 401
    auth = {**DUMMY, "session": first.json["session"]}
    return await server.client.request("POST", REGISTER, {**body, "auth": auth}, **options)


async def test_somebody_registers_in_two_rounds(server: AccountsServer) -> None:
    first = await server.client.request("POST", REGISTER, ALICE)
    assert first.status == 401
    assert first.json["flows"] == [{"stages": ["m.login.dummy"]}]
    assert first.json["params"] == {}
    assert "errcode" not in first.json
    assert server.rows("users") == 0

    auth = {**DUMMY, "session": first.json["session"]}
    done = await server.client.request("POST", REGISTER, {**ALICE, "auth": auth})

    assert done.status == 200
    assert set(done.json) == {"user_id", "access_token", "device_id", "home_server"}
    assert done.json["user_id"] == "@alice:hs"
    requester = await server.authentication.authenticate(done.json["access_token"])
    assert requester.device_id == done.json["device_id"]


async def test_a_client_that_knows_the_flow_needs_one_round(server: AccountsServer) -> None:
    done = await server.client.request("POST", REGISTER, {**ALICE, "auth": DUMMY})

    assert done.status == 200


async def test_the_older_path_works(server: AccountsServer) -> None:
    path = "/_matrix/client/r0/register"
    done = await server.client.request("POST", path, {**ALICE, "auth": DUMMY})

    assert done.status == 200


async def test_a_client_chooses_its_device(server: AccountsServer) -> None:
    done = await register(
        server,
        {**ALICE, "device_id": "PHONE", "initial_device_display_name": "My phone"},
    )

    assert done.json["device_id"] == "PHONE"
    [device] = await server.device_store.devices(done.json["user_id"])
    assert (device.device_id, device.display_name) == ("PHONE", "My phone")


async def test_a_client_may_want_no_session(server: AccountsServer) -> None:
    done = await register(server, {**ALICE, "inhibit_login": True, "refresh_token": True})

    assert done.json == {"user_id": "@alice:hs", "home_server": "hs"}
    assert server.rows("devices") == 0


async def test_a_client_may_want_a_refresh_token(server: AccountsServer) -> None:
    done = await register(server, {**ALICE, "refresh_token": True})

    assert done.json["expires_in_ms"] == 60_000
    refreshed = await server.client.request(
        "POST", "/_matrix/client/v3/refresh", {"refresh_token": done.json["refresh_token"]}
    )
    assert refreshed.status == 200


async def test_who_gives_no_name_gets_one(server: AccountsServer) -> None:
    done = await register(server, {"password": PASSWORD})

    assert done.status == 200
    assert done.json["user_id"].endswith(":hs")


async def test_a_probe_for_the_flows_needs_no_name_and_no_password(server: AccountsServer) -> None:
    probe = await server.client.request("POST", REGISTER, {})
    assert probe.status == 401
    assert probe.json["flows"] == [{"stages": ["m.login.dummy"]}]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({**ALICE, "username": "taken"}, "M_USER_IN_USE"),
        ({**ALICE, "username": "TAKEN"}, "M_USER_IN_USE"),
        ({**ALICE, "username": "al ice"}, "M_INVALID_USERNAME"),
        ({**ALICE, "username": ""}, "M_INVALID_USERNAME"),
        ({**ALICE, "username": 5}, "M_BAD_JSON"),
        ({**ALICE, "password": "short"}, "M_WEAK_PASSWORD"),
        ({**ALICE, "password": "x" * 600}, "M_INVALID_PARAM"),
        ({**ALICE, "device_id": ""}, "M_INVALID_PARAM"),
        ({**ALICE, "initial_device_display_name": "x" * 300}, "M_INVALID_PARAM"),
        ({**ALICE, "inhibit_login": "yes"}, "M_BAD_JSON"),
        ({**ALICE, "auth": "dummy"}, "M_BAD_JSON"),
        ({**ALICE, "auth": {"type": 5}}, "M_BAD_JSON"),
        ({"username": "alice", "auth": DUMMY}, "M_MISSING_PARAM"),
    ],
)
async def test_bad_registrations_are_refused_before_any_authentication(
    server: AccountsServer, body: dict[str, Any], errcode: str
) -> None:
    await server.register("taken")

    refused = await server.client.request("POST", REGISTER, body)

    assert refused.status == 400
    assert refused.json["errcode"] == errcode
    assert server.rows("users") == 1


async def test_a_body_that_is_not_json_is_refused(server: AccountsServer) -> None:
    for raw, errcode in ((b"{", "M_NOT_JSON"), (b"[]", "M_BAD_JSON")):
        refused = await server.client.request("POST", REGISTER, raw_body=raw)
        assert refused.status == 400
        assert refused.json["errcode"] == errcode


async def test_a_name_that_is_taken_meanwhile_is_refused(server: AccountsServer) -> None:
    first = await server.client.request("POST", REGISTER, ALICE)
    await server.register("alice")

    auth = {**DUMMY, "session": first.json["session"]}
    refused = await server.client.request("POST", REGISTER, {**ALICE, "auth": auth})

    assert refused.status == 400
    assert refused.json["errcode"] == "M_USER_IN_USE"


async def test_a_session_registers_nobody_else(server: AccountsServer) -> None:
    first = await server.client.request("POST", REGISTER, ALICE)

    auth = {**DUMMY, "session": first.json["session"]}
    bob = {**ALICE, "username": "bob", "auth": auth}
    refused = await server.client.request("POST", REGISTER, bob)

    assert refused.status == 401
    assert refused.json["errcode"] == "M_FORBIDDEN"
    assert refused.json["session"] != first.json["session"]
    assert server.rows("users") == 0


async def test_an_unknown_kind_of_account_is_refused(server: AccountsServer) -> None:
    refused = await server.client.request("POST", f"{REGISTER}?kind=robot", ALICE)

    assert refused.status == 400
    assert refused.json["errcode"] == "M_INVALID_PARAM"


@pytest.mark.parametrize(
    ("token", "errcode"), [(None, "M_MISSING_TOKEN"), ("x", "M_UNKNOWN_TOKEN")]
)
async def test_an_application_service_needs_its_token(
    server: AccountsServer, token: str | None, errcode: str
) -> None:
    body = {"type": "m.login.application_service", "username": "bot"}
    refused = await server.client.request("POST", REGISTER, body, token=token)

    assert refused.status == 401
    assert refused.json["errcode"] == errcode


async def test_registration_is_closed_by_default() -> None:
    with AccountsServer(policy=RegistrationPolicy()) as server:
        for method, target in (
            ("POST", REGISTER),
            ("POST", f"{REGISTER}?kind=guest"),
            ("GET", f"{AVAILABLE}?username=alice"),
            ("GET", f"{VALIDITY}?token=x"),
        ):
            refused = await server.client.request(method, target)
            assert refused.status == 403
            assert refused.json["errcode"] == "M_FORBIDDEN"


async def test_registration_may_be_open_on_the_servers_own_machine_only() -> None:
    policy = RegistrationPolicy(is_open=True, loopback_only=True)
    with AccountsServer(policy=policy) as server:
        far = await server.client.request("POST", REGISTER, ALICE)
        near = await register(server, ALICE, address="127.0.0.1")

    assert far.status == 403
    assert near.status == 200


async def test_registrations_are_limited_by_address() -> None:
    with AccountsServer(rates={RateClass.REGISTRATION: Rate(per_second=0.1, burst=2)}) as server:
        for _ in range(2):
            assert (await server.client.request("POST", REGISTER, ALICE)).status == 401

        refused = await server.client.request("POST", REGISTER, ALICE)
        elsewhere = await server.client.request("POST", REGISTER, ALICE, address="192.0.2.9")

    assert refused.status == 429
    assert refused.json["errcode"] == "M_LIMIT_EXCEEDED"
    assert refused.json["retry_after_ms"] >= 10_000
    assert int(refused.headers["Retry-After"]) >= 10
    assert elsewhere.status == 401


async def test_an_available_name_is_available(server: AccountsServer) -> None:
    answer = await server.client.request("GET", f"{AVAILABLE}?username=alice")

    assert answer.status == 200
    assert answer.json == {"available": True}


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("?username=taken", "M_USER_IN_USE"),
        ("?username=Taken", "M_USER_IN_USE"),
        ("?username=al%20ice", "M_INVALID_USERNAME"),
        ("?username=", "M_INVALID_USERNAME"),
        ("", "M_MISSING_PARAM"),
    ],
)
async def test_other_names_are_not(server: AccountsServer, query: str, errcode: str) -> None:
    await server.register("taken")

    answer = await server.client.request("GET", AVAILABLE + query)

    assert answer.status == 400
    assert answer.json["errcode"] == errcode


class TestWithRegistrationTokens:
    """Where nobody registers without a token."""

    @staticmethod
    async def register(
        server: AccountsServer, username: str, token: Any, session: str | None = None
    ) -> Response:
        auth = {"type": "m.login.registration_token", "token": token}
        if session is not None:
            auth["session"] = session
        body = {"username": username, "password": PASSWORD, "auth": auth}
        return await server.client.request("POST", REGISTER, body)

    @pytest.fixture
    def server(self) -> Any:
        with AccountsServer(policy=RegistrationPolicy(is_open=True, requires_token=True)) as made:
            yield made

    async def test_a_token_registers_as_often_as_it_may(self, server: AccountsServer) -> None:
        await server.registration_tokens.create("twice", uses_allowed=2)
        for username in ("alice", "bob"):
            assert (await self.register(server, username, "twice")).status == 200

        refused = await self.register(server, "carol", "twice")

        assert refused.status == 401
        assert refused.json["errcode"] == "M_FORBIDDEN"
        assert refused.json["flows"] == [{"stages": ["m.login.registration_token"]}]
        assert server.rows("users") == 2

    @pytest.mark.parametrize("token", ["unknown", "", "a b", 5, None])
    async def test_other_tokens_register_nobody(self, server: AccountsServer, token: Any) -> None:
        refused = await self.register(server, "alice", token)

        assert refused.status == 401
        assert refused.json["errcode"] == "M_FORBIDDEN"
        assert server.rows("users") == 0

    async def test_dummy_authentication_is_not_enough(self, server: AccountsServer) -> None:
        refused = await server.client.request("POST", REGISTER, {**ALICE, "auth": DUMMY})

        assert refused.status == 401
        assert server.rows("users") == 0

    async def test_another_token_may_be_tried(self, server: AccountsServer) -> None:
        await server.registration_tokens.create("right")
        first = await self.register(server, "alice", "wrong")

        done = await self.register(server, "alice", "right", first.json["session"])

        assert done.status == 200

    async def test_the_validity_of_tokens_is_told(self, server: AccountsServer) -> None:
        await server.registration_tokens.create("right", uses_allowed=1)

        for token, valid in (("right", True), ("wrong", False), ("a%00b", False)):
            answer = await server.client.request("GET", f"{VALIDITY}?token={token}")
            assert answer.json == {"valid": valid}
        await self.register(server, "alice", "right")
        answer = await server.client.request("GET", f"{VALIDITY}?token=right")
        assert answer.json == {"valid": False}

    async def test_asking_about_no_token_is_refused(self, server: AccountsServer) -> None:
        refused = await server.client.request("GET", VALIDITY)

        assert refused.status == 400
        assert refused.json["errcode"] == "M_MISSING_PARAM"


class TestGuests:
    """Where guests are let in."""

    @pytest.fixture
    def server(self) -> Any:
        with AccountsServer(policy=RegistrationPolicy(is_open=True, allows_guests=True)) as made:
            yield made

    async def test_a_guest_comes_in_without_authentication(self, server: AccountsServer) -> None:
        body = {**ALICE, "device_id": "MINE", "initial_device_display_name": "Guest's phone"}
        done = await server.client.request("POST", f"{REGISTER}?kind=guest", body)

        assert done.status == 200
        assert done.json["user_id"] != "@alice:hs"
        assert done.json["device_id"] != "MINE"
        [device] = await server.device_store.devices(done.json["user_id"])
        assert device.display_name == "Guest's phone"
        who = await server.client.request(
            "GET", "/_matrix/client/v3/account/whoami", token=done.json["access_token"]
        )
        assert who.json["is_guest"] is True

    async def test_a_guest_becomes_a_full_user(self, server: AccountsServer) -> None:
        guest = (await server.client.request("POST", f"{REGISTER}?kind=guest", {})).json
        body = {
            "username": guest["user_id"][1:].partition(":")[0],
            "password": PASSWORD,
            "guest_access_token": guest["access_token"],
        }

        done = await register(server, body)

        assert done.status == 200
        assert done.json["user_id"] == guest["user_id"]
        for token in (guest["access_token"], done.json["access_token"]):
            who = await server.client.request(
                "GET", "/_matrix/client/v3/account/whoami", token=token
            )
            assert who.json["is_guest"] is False
        credentials = {"user": guest["user_id"], "password": PASSWORD}
        await server.password_authentication.authenticate(credentials)

    async def test_a_guest_cannot_take_another_name(self, server: AccountsServer) -> None:
        guest = (await server.client.request("POST", f"{REGISTER}?kind=guest", {})).json
        body = {**ALICE, "guest_access_token": guest["access_token"]}

        refused = await server.client.request("POST", REGISTER, body)

        assert refused.status == 403
        assert refused.json["errcode"] == "M_FORBIDDEN"

    async def test_a_user_is_not_upgraded(self, server: AccountsServer) -> None:
        alice = await server.register("alice")
        body = {
            "username": "alice",
            "password": "another password",
            "guest_access_token": alice.access_token,
            "auth": DUMMY,
        }

        refused = await server.client.request("POST", REGISTER, body)

        assert refused.status == 403
        credentials = {"user": "alice", "password": PASSWORD}
        await server.password_authentication.authenticate(credentials)

    async def test_an_upgrade_needs_the_guests_token_and_name(self, server: AccountsServer) -> None:
        for body, status, errcode in (
            ({**ALICE, "guest_access_token": "unknown"}, 401, "M_UNKNOWN_TOKEN"),
            ({"password": PASSWORD, "guest_access_token": "x"}, 400, "M_MISSING_PARAM"),
        ):
            refused = await server.client.request("POST", REGISTER, body)
            assert (refused.status, refused.json["errcode"]) == (status, errcode)
