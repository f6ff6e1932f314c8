"""What administrators may do to accounts, over HTTP."""

from __future__ import annotations

import pytest

from tests.homeserver.accounts import AccountsServer

V1 = "/_matrix/client/v1/admin"
WHOIS = "/_matrix/client/v3/admin/whois"


async def test_an_account_is_locked_and_unlocked(server: AccountsServer) -> None:
    admin = (await server.register("admin", is_admin=True)).access_token
    alice = await server.register("alice")
    await server.authentication.authenticate(alice.access_token)
    path = f"{V1}/lock/{alice.user_id}"
    assert (await server.client.request("GET", path, token=admin)).json == {"locked": False}

    done = await server.client.request("PUT", path, {"locked": True}, token=admin)

    assert (done.status, done.json) == (200, {"locked": True})
    assert (await server.client.request("GET", path, token=admin)).json == {"locked": True}
    who = "/_matrix/client/v3/account/whoami"
    refused = await server.client.request("GET", who, token=alice.access_token)
    assert (refused.status, refused.json["errcode"]) == (401, "M_USER_LOCKED")
    assert refused.json["soft_logout"] is True

    await server.client.request("PUT", path, {"locked": False}, token=admin)
    assert (await server.client.request("GET", who, token=alice.access_token)).status == 200


async def test_a_suspension_reaches_sessions_that_are_remembered(server: AccountsServer) -> None:
    admin = (await server.register("admin", is_admin=True)).access_token
    alice = await server.register("alice")
    await server.authentication.authenticate(alice.access_token)
    path = f"{V1}/suspend/{alice.user_id}"

    done = await server.client.request("PUT", path, {"suspended": True}, token=admin)

    assert (done.status, done.json) == (200, {"suspended": True})
    assert (await server.client.request("GET", path, token=admin)).json == {"suspended": True}
    assert (await server.authentication.authenticate(alice.access_token)).is_suspended
    await server.client.request("PUT", path, {"suspended": False}, token=admin)
    assert not (await server.authentication.authenticate(alice.access_token)).is_suspended


@pytest.mark.parametrize("kind", ["lock", "suspend"])
async def test_only_administrators_moderate_and_only_others(
    server: AccountsServer, kind: str
) -> None:
    admin = (await server.register("admin", is_admin=True)).access_token
    await server.register("admin2", is_admin=True)
    alice = (await server.register("alice")).access_token
    closed = await server.register("closed")
    await server.account_store.deactivate(closed.user_id, erase=False)
    body = {"locked": True, "suspended": True}

    for token, user_id, status, errcode in (
        (alice, "@admin:hs", 403, "M_FORBIDDEN"),
        (alice, "@nobody:hs", 403, "M_FORBIDDEN"),
        (alice, "@alice:hs", 403, "M_FORBIDDEN"),
        (admin, "@admin2:hs", 403, "M_FORBIDDEN"),
        (admin, "@admin:hs", 403, "M_FORBIDDEN"),
        (admin, "@alice:elsewhere", 400, "M_INVALID_PARAM"),
        (admin, "alice", 400, "M_INVALID_PARAM"),
        (admin, "@nobody:hs", 404, "M_NOT_FOUND"),
        (admin, "@closed:hs", 404, "M_NOT_FOUND"),
        (None, "@alice:hs", 401, "M_MISSING_TOKEN"),
    ):
        refused = await server.client.request("PUT", f"{V1}/{kind}/{user_id}", body, token=token)
        assert (refused.status, refused.json["errcode"]) == (status, errcode)


async def test_a_moderation_says_what_it_wants(server: AccountsServer) -> None:
    admin = (await server.register("admin", is_admin=True)).access_token
    await server.register("alice")

    for body, errcode in (({}, "M_MISSING_PARAM"), ({"locked": "yes"}, "M_BAD_JSON")):
        refused = await server.client.request("PUT", f"{V1}/lock/@alice:hs", body, token=admin)
        assert (refused.status, refused.json["errcode"]) == (400, errcode)


async def test_users_and_administrators_see_where_an_account_is_used(
    server: AccountsServer,
) -> None:
    admin = await server.register("admin", is_admin=True)
    alice = await server.register("alice")
    whoami = "/_matrix/client/v3/account/whoami"
    headers = {"User-Agent": "Phone 1.0"}
    await server.client.request("GET", whoami, token=alice.access_token, headers=headers)
    seen_ts = server.clock.now_ms()
    await server.last_seen.flush()

    for token in (admin.access_token, alice.access_token):
        answer = await server.client.request("GET", f"{WHOIS}/@alice:hs", token=token)
        connection = {"ip": "192.0.2.1", "last_seen": seen_ts, "user_agent": "Phone 1.0"}
        assert answer.status == 200
        assert answer.json == {
            "user_id": "@alice:hs",
            "devices": {alice.device_id: {"sessions": [{"connections": [connection]}]}},
        }


async def test_others_do_not(server: AccountsServer) -> None:
    admin = (await server.register("admin", is_admin=True)).access_token
    alice = (await server.register("alice")).access_token

    for token, user_id, status in (
        (alice, "@admin:hs", 403),
        (alice, "@nobody:hs", 403),
        (admin, "@nobody:hs", 404),
        (admin, "@alice:elsewhere", 404),
    ):
        answer = await server.client.request("GET", f"{WHOIS}/{user_id}", token=token)
        assert answer.status == status
