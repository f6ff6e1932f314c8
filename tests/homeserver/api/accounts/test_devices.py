"""A user's devices, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.services.accounts.session_tokens import SessionRequest
from tests.homeserver.accounts import PASSWORD, AccountsServer

V3 = "/_matrix/client/v3"


def password_of(user: str, session: str) -> dict[str, Any]:
    identifier = {"type": "m.id.user", "user": user}
    return {
        "type": "m.login.password",
        "identifier": identifier,
        "password": PASSWORD,
        "session": session,
    }


async def test_devices_are_listed_with_when_they_were_seen(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)
    await server.devices.update(phone.user_id, phone.device_id, "My phone")
    await server.client.request("GET", f"{V3}/account/whoami", token=phone.access_token)
    seen_ts = server.clock.now_ms()
    server.clock.advance(60)

    listed = await server.client.request("GET", f"{V3}/devices", token=tablet.access_token)

    seen = {
        "device_id": phone.device_id,
        "display_name": "My phone",
        "last_seen_ip": "192.0.2.1",
        "last_seen_ts": seen_ts,
    }
    assert listed.status == 200
    by_id = {device["device_id"]: device for device in listed.json["devices"]}
    assert by_id == {phone.device_id: seen, tablet.device_id: {"device_id": tablet.device_id}}
    one = await server.client.request(
        "GET", f"{V3}/devices/{phone.device_id}", token=tablet.access_token
    )
    assert one.json == seen


async def test_a_device_is_renamed(server: AccountsServer) -> None:
    alice = await server.register("alice")
    device = f"{V3}/devices/{alice.device_id}"

    for body in ({"display_name": "My phone"}, {}):
        done = await server.client.request("PUT", device, body, token=alice.access_token)
        assert (done.status, done.json) == (200, {})

    got = await server.client.request("GET", device, token=alice.access_token)
    assert got.json["display_name"] == "My phone"


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_others_devices_are_not_found(server: AccountsServer, method: str) -> None:
    alice = await server.register("alice")
    bob = await server.register("bob")

    refused = await server.client.request(
        method, f"{V3}/devices/{bob.device_id}", {}, token=alice.access_token
    )

    assert (refused.status, refused.json["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("device_id", "body", "errcode"),
    [
        ("%00", {}, "M_INVALID_PARAM"),
        ("x" * 256, {}, "M_INVALID_PARAM"),
        (None, {"display_name": "x" * 256}, "M_INVALID_PARAM"),
        (None, {"display_name": 5}, "M_BAD_JSON"),
    ],
)
async def test_malformed_updates_are_refused(
    server: AccountsServer, device_id: str | None, body: dict[str, Any], errcode: str
) -> None:
    alice = await server.register("alice")
    path = f"{V3}/devices/{device_id or alice.device_id}"

    refused = await server.client.request("PUT", path, body, token=alice.access_token)

    assert (refused.status, refused.json["errcode"]) == (400, errcode)


async def test_a_device_is_deleted_with_a_password(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)
    path = f"{V3}/devices/{tablet.device_id}"
    first = await server.client.request("DELETE", path, token=phone.access_token)
    assert first.status == 401
    assert first.json["flows"] == [{"stages": ["m.login.password"]}]
    await server.authentication.authenticate(tablet.access_token)

    auth = password_of("alice", first.json["session"])
    done = await server.client.request("DELETE", path, {"auth": auth}, token=phone.access_token)

    assert (done.status, done.json) == (200, {})
    who = await server.client.request("GET", f"{V3}/account/whoami", token=tablet.access_token)
    assert (who.status, who.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    gone = await server.client.request("GET", path, token=phone.access_token)
    assert gone.status == 404


async def test_a_session_deletes_no_other_device(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)
    first = await server.client.request(
        "DELETE", f"{V3}/devices/NO_DEVICE", token=phone.access_token
    )

    auth = password_of("alice", first.json["session"])
    refused = await server.client.request(
        "DELETE", f"{V3}/devices/{tablet.device_id}", {"auth": auth}, token=phone.access_token
    )

    assert refused.status == 401
    await server.authentication.authenticate(tablet.access_token)


async def test_several_devices_are_deleted_at_once(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)
    laptop = await server.log_in(phone.user_id)
    body = {"devices": [tablet.device_id, laptop.device_id, "NO_DEVICE"]}
    path = f"{V3}/delete_devices"
    first = await server.client.request("POST", path, body, token=phone.access_token)
    assert first.status == 401

    auth = password_of("alice", first.json["session"])
    done = await server.client.request(
        "POST", path, {**body, "auth": auth}, token=phone.access_token
    )

    assert (done.status, done.json) == (200, {})
    devices = await server.device_store.devices(phone.user_id)
    assert [device.device_id for device in devices] == [phone.device_id]


async def test_another_users_password_deletes_nothing(server: AccountsServer) -> None:
    alice = await server.register("alice")
    await server.register("bob")
    path, body = f"{V3}/delete_devices", {"devices": [alice.device_id]}
    first = await server.client.request("POST", path, body, token=alice.access_token)

    auth = password_of("bob", first.json["session"])
    refused = await server.client.request(
        "POST", path, {**body, "auth": auth}, token=alice.access_token
    )

    assert (refused.status, refused.json["errcode"]) == (401, "M_FORBIDDEN")
    assert len(await server.device_store.devices(alice.user_id)) == 1


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"devices": "A"}, "M_BAD_JSON"),
        ({"devices": [5]}, "M_BAD_JSON"),
        ({"devices": ["a\0"]}, "M_INVALID_PARAM"),
    ],
)
async def test_malformed_deletions_are_refused(
    server: AccountsServer, body: dict[str, Any], errcode: str
) -> None:
    alice = await server.register("alice")

    refused = await server.client.request(
        "POST", f"{V3}/delete_devices", body, token=alice.access_token
    )

    assert (refused.status, refused.json["errcode"]) == (400, errcode)


async def test_guests_see_and_name_their_device_but_do_not_delete_it(
    server: AccountsServer,
) -> None:
    guest = await server.accounts.register_guest(SessionRequest())
    path = f"{V3}/devices/{guest.device_id}"

    for method, target, status in (
        ("GET", f"{V3}/devices", 200),
        ("GET", path, 200),
        ("PUT", path, 200),
        ("DELETE", path, 403),
    ):
        answer = await server.client.request(method, target, {}, token=guest.access_token)
        assert answer.status == status
