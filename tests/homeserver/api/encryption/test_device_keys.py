"""Uploading, looking up and claiming keys, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.services.encryption.device_keys import CLAIMS_REMEMBERED_MS
from tests.deferreds import together
from tests.homeserver.encryption import ClientDevice, EncryptionServer, one_time_keys
from tests.rooms_fixture import refused

CURVE = "signed_curve25519"


async def claim(device: ClientDevice, of: ClientDevice, algorithm: str = CURVE) -> dict[str, Any]:
    """The keys that a claim gives."""
    body = {"one_time_keys": {of.user_id: {of.device_id: algorithm}}}
    response = await device.post("/keys/claim", body)
    assert response.status == 200
    by_device = response.json["one_time_keys"].get(of.user_id, {})
    return dict(by_device.get(of.device_id, {}))


async def query(device: ClientDevice, *users: str) -> dict[str, Any]:
    response = await device.post("/keys/query", {"device_keys": {user: [] for user in users}})
    assert response.status == 200
    return dict(response.json)


async def test_keys_are_looked_up_as_they_were_uploaded(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    tablet = await encryption.device("bob", "TABLET")
    await encryption.device_store.rename(desk.user_id, desk.device_id, "My desk")
    await desk.uploads(device_keys=desk.identity_keys(unsigned={"mine": 1}, dehydrated=True))
    await tablet.uploads(device_keys=tablet.identity_keys())

    found = await query(phone, desk.user_id, phone.user_id)

    assert found == {
        "failures": {},
        "device_keys": {
            desk.user_id: {
                desk.device_id: {
                    **desk.identity_keys(dehydrated=True),
                    "unsigned": {"device_display_name": "My desk"},
                },
                tablet.device_id: tablet.identity_keys(),
            },
            phone.user_id: {},
        },
        "master_keys": {},
        "self_signing_keys": {},
        "user_signing_keys": {},
    }
    one = await phone.post("/keys/query", {"device_keys": {desk.user_id: ["TABLET", "X"]}})
    assert one.json["device_keys"] == {desk.user_id: {"TABLET": tablet.identity_keys()}}
    away = await phone.post("/keys/query", {"device_keys": {"@x:away.example": []}})
    assert away.json["failures"] == {"away.example": {}}
    assert away.json["device_keys"] == {}


async def test_a_thousand_users_take_two_queries(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    users = [f"@user{number}:hs" for number in range(1000)]

    found = await query(phone, *users)

    assert found["device_keys"] == {user: {} for user in users}


async def test_uploads_are_counted(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")

    first = await phone.uploads(one_time_keys={**one_time_keys("1", "2"), "plain:1": "key"})
    again = await phone.uploads(one_time_keys=one_time_keys("2", "3"))
    nothing = await phone.uploads()

    assert first.json == {"one_time_key_counts": {"plain": 1, CURVE: 2}}
    assert again.json == nothing.json == {"one_time_key_counts": {"plain": 1, CURVE: 3}}


async def test_another_key_under_a_used_name_is_refused(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await phone.uploads(one_time_keys=one_time_keys("1", key="old"))

    answer = await phone.post("/keys/upload", {"one_time_keys": one_time_keys("2", "1", key="new")})

    assert refused(answer) == (400, "M_UNKNOWN")
    assert answer.json["error"] == (
        f"One time key {CURVE}:1 already exists. "
        'Old key: {"key":"old 1"}; new key: {"key":"new 1"}'
    )
    assert (await phone.uploads()).json == {"one_time_key_counts": {CURVE: 1}}


async def test_claims_take_keys_and_then_the_fallback_key(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    await desk.uploads(
        one_time_keys=one_time_keys("B"), fallback_keys=one_time_keys("F", fallback=True)
    )
    await desk.uploads(one_time_keys=one_time_keys("A"))

    taken = [await claim(phone, desk) for _ in range(4)]

    fallback = {f"{CURVE}:F": {"key": "key F", "fallback": True}}
    assert taken == [
        {f"{CURVE}:B": {"key": "key B"}},
        {f"{CURVE}:A": {"key": "key A"}},
        fallback,
        fallback,
    ]
    assert await claim(phone, desk, "unknown") == {}
    assert await claim(phone, phone) == {}
    away = await phone.post(
        "/keys/claim", {"one_time_keys": {"@x:away.example": {"A": CURVE}, "@b\0:hs": {}}}
    )
    assert refused(away) == (400, "M_INVALID_PARAM")
    away = await phone.post("/keys/claim", {"one_time_keys": {"@x:away.example": {"A": CURVE}}})
    assert away.json == {"failures": {"away.example": {}}, "one_time_keys": {}}


async def test_concurrent_claims_hand_out_each_key_once(encryption: EncryptionServer) -> None:
    desk = await encryption.device("bob")
    names = [f"K{number:02}" for number in range(50)]
    await desk.uploads(
        one_time_keys=one_time_keys(*names), fallback_keys=one_time_keys("F", fallback=True)
    )
    claimers = [await encryption.device(f"user{number}") for number in range(20)]

    taken = await together(*(claim(device, desk) for device in claimers * 10))

    key_ids = sorted(key_id for keys in taken for key_id in keys)
    assert key_ids == [f"{CURVE}:F"] * 150 + [f"{CURVE}:{name}" for name in names]
    answer = await desk.sync()
    assert answer.body["device_one_time_keys_count"] == {CURVE: 0}
    assert answer.body["device_unused_fallback_key_types"] == []


async def test_a_repeated_upload_brings_no_claimed_key_back(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    keys = one_time_keys("1", "2")
    await desk.uploads(one_time_keys=keys)
    await claim(phone, desk)

    assert (await desk.uploads(one_time_keys=keys)).json["one_time_key_counts"] == {CURVE: 1}

    encryption.clock.advance(CLAIMS_REMEMBERED_MS / 1000 + 1)
    assert (await desk.uploads(one_time_keys=keys)).json["one_time_key_counts"] == {CURVE: 2}


async def test_the_older_name_of_fallback_keys_is_understood(
    encryption: EncryptionServer,
) -> None:
    phone = await encryption.device("alice")

    await phone.post("/keys/upload", {"org.matrix.msc2732.fallback_keys": one_time_keys("F")})

    assert (await phone.sync()).body["device_unused_fallback_key_types"] == [CURVE]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"device_keys": {"user_id": "@bob:hs"}}, (400, "M_INVALID_PARAM")),
        ({"device_keys": {"device_id": "OTHER"}}, (400, "M_INVALID_PARAM")),
        ({"device_keys": {"algorithms": "m.olm"}}, (400, "M_BAD_JSON")),
        ({"device_keys": {"keys": {"ed25519:PHONE": 1}}}, (400, "M_BAD_JSON")),
        ({"device_keys": {"keys": {"ed25519": "k"}}}, (400, "M_INVALID_PARAM")),
        ({"device_keys": {"signatures": {"@alice:hs": "sig"}}}, (400, "M_BAD_JSON")),
        ({"device_keys": {"number": 1.5}}, (400, "M_BAD_JSON")),
        ({"device_keys": {"long": "x" * 65_536}}, (413, "M_TOO_LARGE")),
        ({"one_time_keys": {"curve": "k"}}, (400, "M_INVALID_PARAM")),
        ({"one_time_keys": {"curve:a\0": "k"}}, (400, "M_INVALID_PARAM")),
        ({"one_time_keys": {"curve:": "k"}}, (400, "M_INVALID_PARAM")),
        ({"one_time_keys": {"curve:1": 5}}, (400, "M_BAD_JSON")),
        ({"one_time_keys": {"curve:1": {"nokey": 5}}}, (400, "M_BAD_JSON")),
        ({"one_time_keys": {"curve:1": "x" * 8192}}, (413, "M_TOO_LARGE")),
        ({"one_time_keys": {f"c:{n}": "k" for n in range(1001)}}, (400, "M_INVALID_PARAM")),
        ({"fallback_keys": one_time_keys("1", "2")}, (400, "M_INVALID_PARAM")),
        ({"one_time_keys": []}, (400, "M_BAD_JSON")),
    ],
)
async def test_malformed_uploads_are_refused(
    encryption: EncryptionServer, body: dict[str, Any], error: tuple[int, str]
) -> None:
    phone = await encryption.device("alice")
    if "device_keys" in body:
        body = {"device_keys": {**phone.identity_keys(), **body["device_keys"]}}

    assert refused(await phone.post("/keys/upload", body)) == error
    assert (await query(phone, phone.user_id))["device_keys"] == {phone.user_id: {}}


async def test_a_device_keeps_a_bounded_number_of_keys(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    for start in range(0, 5000, 1000):
        await phone.uploads(one_time_keys=one_time_keys(*map(str, range(start, start + 1000))))

    answer = await phone.post("/keys/upload", {"one_time_keys": one_time_keys("one more")})

    assert refused(answer) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/keys/query", {}),
        ("/keys/query", {"device_keys": {"@a:hs": "X"}}),
        ("/keys/query", {"device_keys": {"bob": []}}),
        ("/keys/claim", {}),
        ("/keys/claim", {"one_time_keys": {"@a:hs": {"X": 1}}}),
    ],
)
async def test_malformed_questions_are_refused(
    encryption: EncryptionServer, path: str, body: dict[str, Any]
) -> None:
    phone = await encryption.device("alice")

    assert (await phone.post(path, body)).status == 400
