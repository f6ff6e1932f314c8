"""The keys of devices, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.device_keys import ClaimableKey
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.database import Transactions
from homeserver.ports.encryption.device_keys import Claim, ClaimedKey, DeviceKeysRow
from homeserver.ports.encryption.key_counts import KeysLeft
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.device_traces import SqlDeviceTraceStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.sessions import SqlSessionStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.encryption.key_counts import SqlKeyCountStore
from tests.storage.accounts.sessions import new_session

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")
PHONE, TABLET = DeviceId("PHONE"), DeviceId("TABLET")
CURVE = "signed_curve25519"


def one_time(key_id: str, key: bytes = b'{"key":"k"}', algorithm: str = CURVE) -> ClaimableKey:
    return ClaimableKey(algorithm, key_id, key)


@pytest.fixture
async def store(transactions: Transactions) -> SqlDeviceKeyStore:
    accounts, sessions = SqlAccountStore(transactions), SqlSessionStore(transactions)
    for user_id in (ALICE, BOB):
        await accounts.register(NewAccount(user_id, 1), None)
        for device_id in (PHONE, TABLET):
            await sessions.open(new_session(user_id, device_id, f"{user_id} {device_id}"))
    return SqlDeviceKeyStore(transactions)


async def test_keys_of_all_devices_come_with_their_names(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    await SqlDeviceStore(transactions).rename(ALICE, PHONE, "My phone")
    for address in ((ALICE, PHONE), (ALICE, TABLET), (BOB, DeviceId("GONE"))):
        await transactions.write(store.put_device_keys, address, b'{"old":1}')
    await transactions.write(store.put_device_keys, (ALICE, PHONE), b'{"new":1}')

    found = await store.device_keys([ALICE, BOB])

    assert sorted(found, key=lambda row: row.device_id) == [
        DeviceKeysRow(ALICE, PHONE, b'{"new":1}', "My phone"),
        DeviceKeysRow(ALICE, TABLET, b'{"old":1}', None),
    ]
    assert await transactions.read(store.read_device_keys, (ALICE, TABLET)) == b'{"old":1}'
    assert await transactions.read(store.read_device_keys, (BOB, PHONE)) is None


async def test_one_time_keys_are_claimed_once_in_the_order_of_upload(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    phone = (ALICE, PHONE)
    await transactions.write(store.add_one_time_keys, phone, [one_time("Z")], 5)
    await transactions.write(store.add_one_time_keys, phone, [one_time("A"), one_time("B")], 6)
    claim = Claim(ALICE, PHONE, CURVE)

    taken = [await transactions.write(store.claim, [claim], 1) for _ in range(4)]

    assert [[c.key.key_id for c in some] for some in taken] == [["Z"], ["A"], ["B"], []]


async def test_many_devices_are_served_by_one_claim(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    for address in ((ALICE, PHONE), (ALICE, TABLET), (BOB, PHONE)):
        await transactions.write(store.add_one_time_keys, address, [one_time("1")], 1)
    await transactions.write(
        store.add_one_time_keys, (BOB, PHONE), [one_time("1", b'"x"', "plain")], 1
    )
    await transactions.write(store.put_fallback_keys, (BOB, TABLET), [one_time("F")])

    claims = [Claim(user, device, CURVE) for user in (ALICE, BOB) for device in (PHONE, TABLET)]
    taken = await transactions.write(
        store.claim, [*claims, Claim(BOB, PHONE, "plain"), Claim(BOB, PHONE, "unknown")], 1
    )

    assert sorted(taken, key=str) == sorted(
        [
            ClaimedKey(ALICE, PHONE, one_time("1")),
            ClaimedKey(ALICE, TABLET, one_time("1")),
            ClaimedKey(BOB, PHONE, one_time("1")),
            ClaimedKey(BOB, PHONE, one_time("1", b'"x"', "plain")),
            ClaimedKey(BOB, TABLET, one_time("F")),
        ],
        key=str,
    )


async def test_a_fallback_key_is_given_out_again_and_counts_as_used(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    counts, phone = SqlKeyCountStore(transactions), (ALICE, PHONE)
    await transactions.write(store.put_fallback_keys, phone, [one_time("F")])
    await transactions.write(store.add_one_time_keys, phone, [one_time("1")], 1)
    assert await counts.keys_left(*phone) == KeysLeft({CURVE: 1}, [CURVE])
    claim = Claim(ALICE, PHONE, CURVE)

    taken = [await transactions.write(store.claim, [claim], 1) for _ in range(3)]

    assert [some[0].key.key_id for some in taken] == ["1", "F", "F"]
    assert await counts.keys_left(*phone) == KeysLeft({}, [])
    # The same key again is still used, another one is not.
    await transactions.write(store.put_fallback_keys, phone, [one_time("F")])
    assert (await counts.keys_left(*phone)).unused_fallback == []
    await transactions.write(store.put_fallback_keys, phone, [one_time("G")])
    assert (await counts.keys_left(*phone)).unused_fallback == [CURVE]


async def test_a_repeated_upload_does_not_bring_back_a_claimed_key(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    phone, keys = (ALICE, PHONE), [one_time("1"), one_time("2")]
    await transactions.write(store.add_one_time_keys, phone, keys, 1)
    await transactions.write(store.claim, [Claim(ALICE, PHONE, CURVE)], 1000)

    await transactions.write(store.add_one_time_keys, phone, keys, 2)
    assert await transactions.read(store.counts, phone) == {CURVE: 1}

    await transactions.write(store.forget_claims, phone, 2000)
    await transactions.write(store.add_one_time_keys, phone, keys, 3)
    assert await transactions.read(store.counts, phone) == {CURVE: 2}


async def test_other_keys_under_the_same_name_are_found(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    phone = (ALICE, PHONE)
    await transactions.write(store.add_one_time_keys, phone, [one_time("1"), one_time("2")], 1)

    uploaded = [one_time("1"), one_time("2", b'"other"'), one_time("3", b'"new"')]
    others = await transactions.read(store.other_one_time_keys, phone, uploaded)

    assert others == [one_time("2")]


async def test_what_a_deleted_device_leaves_behind_is_found_and_forgotten(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    traces = SqlDeviceTraceStore(transactions)
    for address in ((ALICE, PHONE), (ALICE, TABLET)):
        await transactions.write(store.put_device_keys, address, b"{}")
        await transactions.write(store.add_one_time_keys, address, [one_time("1")], 1)
    await SqlDeviceStore(transactions).delete(ALICE, [PHONE])
    assert await traces.orphans() == [(ALICE, PHONE)]
    assert await transactions.read(traces.has_keys, ALICE, [PHONE])

    await transactions.write(traces.forget_devices, ALICE, [PHONE])

    assert await traces.orphans() == []
    assert not await transactions.read(traces.has_keys, ALICE, [PHONE])
    assert await transactions.read(store.counts, (ALICE, PHONE)) == {}
    assert await transactions.read(store.counts, (ALICE, TABLET)) == {CURVE: 1}
