"""Backups of keys, over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from homeserver.domain.canonical_json import JsonObject
from tests.homeserver.encryption import ClientDevice, EncryptionServer
from tests.rooms_fixture import refused

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
HERE, THERE = "!here:hs", "!there:hs"


def key(
    index: int = 5, forwarded: int = 1, *, verified: bool = False, data: str = ""
) -> JsonObject:
    return {
        "first_message_index": index,
        "forwarded_count": forwarded,
        "is_verified": verified,
        "session_data": {"ciphertext": data},
    }


def path(*parts: str, version: str = "1") -> str:
    return "/".join(["/room_keys/keys", *(quote(part, safe="") for part in parts)]) + (
        f"?version={version}"
    )


async def begun(device: ClientDevice, **auth_data: Any) -> str:
    body = {"algorithm": ALGORITHM, "auth_data": auth_data}
    response = await device.post("/room_keys/version", body)
    assert response.status == 200
    return str(response.json["version"])


async def test_the_newest_version_is_current(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    assert refused(await phone.get("/room_keys/version")) == (404, "M_NOT_FOUND")

    assert [await begun(phone, n=1), await begun(phone, n=2)] == ["1", "2"]

    current = await phone.get("/room_keys/version")
    assert current.json == {
        "algorithm": ALGORITHM,
        "auth_data": {"n": 2},
        "count": 0,
        "etag": "0",
        "version": "2",
    }
    assert (await phone.get("/room_keys/version/1")).json["auth_data"] == {"n": 1}
    desk = await encryption.device("bob")
    assert refused(await desk.get("/room_keys/version/1")) == (404, "M_NOT_FOUND")


async def test_the_data_of_a_version_is_replaced(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await begun(phone, n=1)
    body = {"algorithm": ALGORITHM, "auth_data": {"n": 2}}

    assert (await phone.put("/room_keys/version/1", body)).json == {}
    assert (await phone.get("/room_keys/version")).json["auth_data"] == {"n": 2}

    for path, change, error in (
        ("/room_keys/version/1", {"version": "2"}, (400, "M_INVALID_PARAM")),
        ("/room_keys/version/1", {"algorithm": "other"}, (400, "M_INVALID_PARAM")),
        ("/room_keys/version/2", {}, (404, "M_NOT_FOUND")),
        ("/room_keys/version/x", {}, (404, "M_NOT_FOUND")),
        ("/room_keys/version/" + "9" * 30, {}, (404, "M_NOT_FOUND")),
    ):
        assert refused(await phone.put(path, {**body, **change})) == error


async def test_a_version_is_deleted_for_good(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await begun(phone)
    await phone.put(path(HERE, "s"), key())

    for _ in range(2):
        assert (await phone.delete("/room_keys/version/1")).json == {}

    for answer in (
        await phone.get("/room_keys/version"),
        await phone.get("/room_keys/version/1"),
        await phone.get(path()),
        await phone.put(path(HERE, "s"), key()),
        await phone.delete(path()),
        await phone.delete("/room_keys/version/2"),
    ):
        assert refused(answer) == (404, "M_NOT_FOUND")
    assert await begun(phone) == "2"


async def test_keys_are_put_and_got_in_all_three_ways(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await begun(phone)

    one = await phone.put(path(HERE, "s/1"), key(data="1"))
    assert one.json == {"etag": "1", "count": 1}
    some = await phone.put(path(HERE), {"sessions": {"s2": key(data="2"), "s3": key()}})
    assert some.json == {"etag": "2", "count": 3}
    many = await phone.put(
        path(), {"rooms": {HERE: {"sessions": {"s3": key()}}, THERE: {"sessions": {"s1": key()}}}}
    )
    assert many.json == {"etag": "3", "count": 4}

    assert (await phone.get(path(HERE, "s/1"))).json == key(data="1")
    here = {"s/1": key(data="1"), "s2": key(data="2"), "s3": key()}
    assert (await phone.get(path(HERE))).json == {"sessions": here}
    assert (await phone.get(path())).json == {
        "rooms": {HERE: {"sessions": here}, THERE: {"sessions": {"s1": key()}}}
    }
    version = (await phone.get("/room_keys/version")).json
    assert (version["count"], version["etag"]) == (4, "3")


async def test_keys_are_deleted_in_all_three_ways(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await begun(phone)
    await phone.put(
        path(),
        {"rooms": {room: {"sessions": {"1": key(), "2": key()}} for room in (HERE, THERE)}},
    )

    assert (await phone.delete(path(HERE, "1"))).json == {"etag": "2", "count": 3}
    assert (await phone.delete(path(HERE, "1"))).json == {"etag": "2", "count": 3}
    assert (await phone.delete(path(THERE))).json == {"etag": "3", "count": 1}
    assert (await phone.delete(path())).json == {"etag": "4", "count": 0}

    assert refused(await phone.get(path(HERE, "1"))) == (404, "M_NOT_FOUND")
    assert (await phone.get(path(HERE))).json == {"sessions": {}}
    assert (await phone.get(path())).json == {"rooms": {}}


@pytest.mark.parametrize(
    ("stored", "uploaded", "is_replaced"),
    [
        (key(), key(), False),
        (key(1, 1), key(9, 9, verified=True), True),
        (key(9, 9, verified=True), key(1, 1), False),
        (key(5), key(4, 9), True),
        (key(5), key(6, 0), False),
        (key(5, 2), key(5, 1), True),
        (key(5, 1), key(5, 2), False),
    ],
)
async def test_the_better_key_is_kept(
    encryption: EncryptionServer, stored: JsonObject, uploaded: JsonObject, is_replaced: bool
) -> None:
    phone = await encryption.device("alice")
    await begun(phone)
    stored = {**stored, "session_data": {"from": "stored"}}
    uploaded = {**uploaded, "session_data": {"from": "uploaded"}}
    await phone.put(path(HERE, "s"), stored)

    state = await phone.put(path(HERE, "s"), uploaded)

    assert (await phone.get(path(HERE, "s"))).json == (uploaded if is_replaced else stored)
    assert state.json == {"etag": "2" if is_replaced else "1", "count": 1}


async def test_only_the_current_version_takes_keys(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    assert refused(await phone.put(path(HERE, "s"), key())) == (404, "M_NOT_FOUND")
    await begun(phone)
    await phone.put(path(HERE, "s"), key())
    await begun(phone)

    for version in ("1", "3"):
        answer = await phone.put(path(HERE, "s", version=version), key())
        assert refused(answer) == (403, "M_WRONG_ROOM_KEYS_VERSION")
        assert answer.json["current_version"] == "2"

    # The keys of an older one can still be read and deleted.
    assert (await phone.get(path(HERE, "s"))).json == key()
    assert (await phone.delete(path())).json == {"etag": "2", "count": 0}


@pytest.mark.parametrize(
    ("method", "target", "body", "error"),
    [
        ("POST", "/room_keys/version", {"auth_data": {}}, (400, "M_MISSING_PARAM")),
        ("POST", "/room_keys/version", {"algorithm": ALGORITHM}, (400, "M_MISSING_PARAM")),
        (
            "POST",
            "/room_keys/version",
            {"algorithm": "a\0", "auth_data": {}},
            (400, "M_INVALID_PARAM"),
        ),
        ("PUT", "/room_keys/keys/!r:hs/s", key(), (400, "M_MISSING_PARAM")),
        ("PUT", path("room", "s"), key(), (400, "M_INVALID_PARAM")),
        ("PUT", path(HERE, "a\0"), key(), (400, "M_INVALID_PARAM")),
        ("PUT", path(HERE, "s"), key(-1), (400, "M_INVALID_PARAM")),
        ("PUT", path(HERE, "s"), key(2**60), (400, "M_INVALID_PARAM")),
        ("PUT", path(HERE, "s"), {**key(), "is_verified": 1}, (400, "M_BAD_JSON")),
        ("PUT", path(HERE, "s"), {"is_verified": True}, (400, "M_MISSING_PARAM")),
        ("PUT", path(HERE), {}, (400, "M_MISSING_PARAM")),
        ("PUT", path(), {"rooms": {"x": {"sessions": {"s": key()}}}}, (400, "M_INVALID_PARAM")),
        ("GET", "/room_keys/keys", None, (400, "M_MISSING_PARAM")),
        ("GET", path(version="abc"), None, (404, "M_NOT_FOUND")),
        ("DELETE", path(HERE, version="7"), None, (404, "M_NOT_FOUND")),
    ],
)
async def test_malformed_requests_are_refused(
    encryption: EncryptionServer, method: str, target: str, body: Any, error: tuple[int, str]
) -> None:
    phone = await encryption.device("alice")
    await begun(phone)

    assert refused(await phone.request(method, target, body)) == error
