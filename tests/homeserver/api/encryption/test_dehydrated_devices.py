"""Dehydrated devices, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.services.encryption.dehydrated_devices import AT_ONCE
from tests.deferreds import together
from tests.homeserver.encryption import ClientDevice, EncryptionServer, one_time_keys
from tests.rooms_fixture import refused

DEVICE = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"


def body_for(owner: ClientDevice, device_id: str = "DRIED") -> JsonObject:
    keys = {**owner.identity_keys(), "device_id": device_id, "dehydrated": True}
    return {
        "device_id": device_id,
        "device_data": {"algorithm": "m.dehydration.v2", "secret": "x"},
        "initial_device_display_name": "Backup device",
        "device_keys": keys,
        "one_time_keys": one_time_keys("1"),
        "fallback_keys": one_time_keys("F", fallback=True),
    }


async def test_a_dehydrated_device_is_seen_with_its_keys(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(phone, desk)
    assert refused(await phone.get(DEVICE)) == (404, "M_NOT_FOUND")
    token = await desk.is_up_to_date()
    body = body_for(phone)

    done = await phone.put(DEVICE, body)

    assert (done.status, done.json) == (200, {"device_id": "DRIED"})
    found = await phone.get(DEVICE)
    assert found.json == {"device_id": "DRIED", "device_data": body["device_data"]}
    assert (await desk.sync(token)).changed == [phone.user_id]
    keys = await desk.post("/keys/query", {"device_keys": {phone.user_id: []}})
    assert keys.json["device_keys"][phone.user_id]["DRIED"] == {
        **body["device_keys"],
        "unsigned": {"device_display_name": "Backup device"},
    }
    wanted = {"one_time_keys": {phone.user_id: {"DRIED": "signed_curve25519"}}}
    taken = [await desk.post("/keys/claim", wanted) for _ in range(2)]
    assert [list(t.json["one_time_keys"][phone.user_id]["DRIED"]) for t in taken] == [
        ["signed_curve25519:1"],
        ["signed_curve25519:F"],
    ]


async def test_a_new_one_takes_the_place_of_the_old_one(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    await phone.put(DEVICE, body_for(phone, "OLD"))
    old = encryption.known_device(phone.user_id, "OLD")
    await desk.sends(old, txn_id="1")

    for _ in range(2):
        assert (await phone.put(DEVICE, body_for(phone, "NEW"))).status == 200

    names = [d.device_id for d in await encryption.device_store.devices(phone.user_id)]
    assert sorted(names) == ["NEW", "PHONE"]
    keys = await desk.post("/keys/query", {"device_keys": {phone.user_id: []}})
    assert list(keys.json["device_keys"][phone.user_id]) == ["NEW"]
    assert encryption.rows("SELECT count(*) FROM to_device_messages") == [(0,)]
    assert refused(await phone.get(f"{DEVICE}/OLD/events")) == (403, "M_FORBIDDEN")


async def test_its_messages_can_be_read_again_and_again(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    await phone.put(DEVICE, body_for(phone))
    dried = encryption.known_device(phone.user_id, "DRIED")
    count = AT_ONCE + 3
    await together(*(desk.sends(dried, txn_id=str(n), number=n) for n in range(count)))

    for _ in range(2):
        first = await phone.get(f"{DEVICE}/DRIED/events")
        last = await phone.get(f"{DEVICE}/DRIED/events?from={first.json['next_batch']}")
        events = first.json["events"] + last.json["events"]
        assert [event["content"]["number"] for event in events] == list(range(count))
        assert "next_batch" not in last.json

    first = await phone.post(f"{DEVICE}/DRIED/events")
    token = first.json["next_batch"]
    last = await phone.post(f"{DEVICE}/DRIED/events", {"next_batch": token})
    end = await phone.post(f"{DEVICE}/DRIED/events", {"next_batch": last.json["next_batch"]})
    assert len(first.json["events"] + last.json["events"]) == count
    assert (end.json["events"], end.json["next_batch"]) == ([], last.json["next_batch"])
    assert refused(await phone.get(f"{DEVICE}/DRIED/events?from=x")) == (400, "M_INVALID_PARAM")


async def test_it_is_deleted(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await phone.put(DEVICE, body_for(phone))

    done = await phone.delete(DEVICE)

    assert (done.status, done.json) == (200, {"device_id": "DRIED"})
    assert refused(await phone.get(DEVICE)) == (404, "M_NOT_FOUND")
    assert refused(await phone.delete(DEVICE)) == (404, "M_NOT_FOUND")
    assert len(await encryption.device_store.devices(phone.user_id)) == 1


async def test_it_goes_like_any_other_device(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await phone.put(DEVICE, body_for(phone))

    deleted = await encryption.device_store.delete_all(phone.user_id, phone.device_id)
    await encryption.traces.device_deleted(phone.user_id, deleted)

    assert refused(await phone.get(DEVICE)) == (404, "M_NOT_FOUND")


async def test_it_does_not_take_the_place_of_a_device_in_use(
    encryption: EncryptionServer,
) -> None:
    phone = await encryption.device("alice")
    await phone.put(DEVICE, body_for(phone))

    assert refused(await phone.put(DEVICE, body_for(phone, "PHONE"))) == (400, "M_INVALID_PARAM")

    assert (await phone.get(DEVICE)).json["device_id"] == "DRIED"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"device_id": "OTHER"}, (400, "M_INVALID_PARAM")),
        ({"device_id": ""}, (400, "M_INVALID_PARAM")),
        ({"device_data": "x"}, (400, "M_BAD_JSON")),
        ({"device_data": {"x": "x" * 262_144}}, (413, "M_TOO_LARGE")),
        ({"device_keys": None}, (400, "M_BAD_JSON")),
        ({"one_time_keys": {"x": "k"}}, (400, "M_INVALID_PARAM")),
        ({"initial_device_display_name": "x" * 256}, (400, "M_INVALID_PARAM")),
    ],
)
async def test_malformed_devices_are_refused(
    encryption: EncryptionServer, changes: dict[str, Any], error: tuple[int, str]
) -> None:
    phone = await encryption.device("alice")

    assert refused(await phone.put(DEVICE, {**body_for(phone), **changes})) == error
