"""Refreshing tokens, logging out and asking who one is, over HTTP."""

from __future__ import annotations

import pytest

from tests.homeserver.accounts import AccountsServer

V3 = "/_matrix/client/v3"


async def test_a_user_asks_who_they_are(server: AccountsServer) -> None:
    alice = await server.register("alice")

    answer = await server.client.request("GET", f"{V3}/account/whoami", token=alice.access_token)

    assert answer.status == 200
    assert answer.json == {
        "user_id": "@alice:hs",
        "device_id": alice.device_id,
        "is_guest": False,
    }


@pytest.mark.parametrize(
    ("token", "errcode"), [(None, "M_MISSING_TOKEN"), ("unknown", "M_UNKNOWN_TOKEN")]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/account/whoami"), ("POST", "/logout"), ("POST", "/logout/all")],
)
async def test_nobody_is_answered_without_their_token(
    server: AccountsServer, method: str, path: str, token: str | None, errcode: str
) -> None:
    answer = await server.client.request(method, V3 + path, token=token)

    assert (answer.status, answer.json["errcode"]) == (401, errcode)
    assert "soft_logout" not in answer.json


async def test_an_expired_token_is_refreshed(server: AccountsServer) -> None:
    alice = await server.register("alice", with_refresh_token=True)
    server.clock.advance(60)
    expired = await server.client.request("GET", f"{V3}/account/whoami", token=alice.access_token)
    assert (expired.status, expired.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    assert expired.json["soft_logout"] is True

    refreshed = await server.client.request(
        "POST", f"{V3}/refresh", {"refresh_token": alice.refresh_token}
    )

    assert refreshed.status == 200
    assert set(refreshed.json) == {"access_token", "refresh_token", "expires_in_ms"}
    who = await server.client.request(
        "GET", f"{V3}/account/whoami", token=refreshed.json["access_token"]
    )
    assert who.json["device_id"] == alice.device_id
    used = await server.client.request(
        "POST", f"{V3}/refresh", {"refresh_token": alice.refresh_token}
    )
    assert (used.status, used.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")


async def test_malformed_refreshes_are_refused(server: AccountsServer) -> None:
    for body, status, errcode in (
        ({}, 400, "M_MISSING_PARAM"),
        ({"refresh_token": 5}, 400, "M_BAD_JSON"),
        ({"refresh_token": "unknown"}, 401, "M_UNKNOWN_TOKEN"),
    ):
        refused = await server.client.request("POST", f"{V3}/refresh", body)
        assert (refused.status, refused.json["errcode"]) == (status, errcode)


async def test_logging_out_deletes_the_device(server: AccountsServer) -> None:
    phone = await server.register("alice", with_refresh_token=True)
    tablet = await server.log_in(phone.user_id)

    done = await server.client.request("POST", f"{V3}/logout", token=phone.access_token)

    assert (done.status, done.json) == (200, {})
    who = await server.client.request("GET", f"{V3}/account/whoami", token=phone.access_token)
    assert who.status == 401
    refresh = {"refresh_token": phone.refresh_token}
    assert (await server.client.request("POST", f"{V3}/refresh", refresh)).status == 401
    listed = await server.client.request("GET", f"{V3}/devices", token=tablet.access_token)
    assert [device["device_id"] for device in listed.json["devices"]] == [tablet.device_id]


async def test_logging_out_everywhere_deletes_all_devices(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)
    bob = await server.register("bob")

    done = await server.client.request("POST", f"{V3}/logout/all", token=phone.access_token)

    assert (done.status, done.json) == (200, {})
    for session, status in ((phone, 401), (tablet, 401), (bob, 200)):
        who = await server.client.request("GET", f"{V3}/account/whoami", token=session.access_token)
        assert who.status == status
    assert await server.device_store.devices(phone.user_id) == []


@pytest.mark.parametrize("path", ["/logout", "/logout/all"])
async def test_a_locked_account_can_only_log_out(server: AccountsServer, path: str) -> None:
    alice = await server.register("alice")
    await server.account_store.set_locked(alice.user_id, True)
    refused = await server.client.request("GET", f"{V3}/devices", token=alice.access_token)
    assert (refused.status, refused.json["errcode"]) == (401, "M_USER_LOCKED")
    assert refused.json["soft_logout"] is True

    done = await server.client.request("POST", V3 + path, token=alice.access_token)

    assert done.status == 200
    assert await server.device_store.devices(alice.user_id) == []


async def test_a_token_without_a_device_logs_out(server: AccountsServer) -> None:
    alice = await server.register("alice")
    server.database.write_blocking(
        lambda tx: tx.execute("UPDATE access_tokens SET device_id = NULL")
    )
    who = await server.client.request("GET", f"{V3}/account/whoami", token=alice.access_token)
    assert who.json == {"user_id": "@alice:hs", "is_guest": False}

    done = await server.client.request("POST", f"{V3}/logout", token=alice.access_token)

    assert done.status == 200
    who = await server.client.request("GET", f"{V3}/account/whoami", token=alice.access_token)
    assert who.status == 401
    assert len(await server.device_store.devices(alice.user_id)) == 1


async def test_the_token_may_be_a_query_parameter_as_older_clients_send_it(
    server: AccountsServer,
) -> None:
    alice = await server.register("alice")
    token = f"?access_token={alice.access_token}"

    assert (await server.client.request("GET", f"{V3}/account/whoami{token}")).status == 200
    assert (await server.client.request("POST", f"{V3}/logout{token}")).status == 200
