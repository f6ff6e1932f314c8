"""The keys of devices, in both databases."""

from __future__ import annotations

from itertools import chain

import pytest

from homeserver.domain.device_keys import ClaimableKey
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.database import Transactions
from homeserver.ports.encryption.device_keys import Claim, ClaimedKey, DeviceKeysRow
from homeserver.ports.encryption.key_counts import KeysLeft
from homeserver.ports.encryption.to_device import DeviceAddress
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.device_traces import SqlDeviceTraceStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.sessions import SqlSessionStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.encryption.key_counts import SqlKeyCountStore
from storage.encryption.one_time_keys import IN_BATCH
from tests.storage.accounts.sessions import new_session

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")
PHONE, TABLET = DeviceId("PHONE"), DeviceId("TABLET")
CURVE = "signed_curve25519"


def one_time(key_id: str, key: bytes = b'{"key":"k"}', algorithm: str = CURVE) -> ClaimableKey:
    return ClaimableKey(algorithm, key_id, key)


async def upload(
    transactions: Transactions,
    address: DeviceAddress,
    *keys: ClaimableKey,
    now_ms: int = 1,
    claimed_since: int = 0,
) -> None:
    store = SqlDeviceKeyStore(transactions)
    await transactions.write(store.add_one_time_keys, address, keys, now_ms, claimed_since)


async def batches(transactions: Transactions) -> list[int]:
    rows = await transactions.read(
        lambda tx: tx.all("SELECT batch FROM one_time_keys ORDER BY batch")
    )
    return [row[0] for row in rows]


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
    await upload(transactions, phone, one_time("Z"))
    await upload(transactions, phone, one_time("A"), one_time("B"))
    claim = Claim(ALICE, PHONE, CURVE)

    taken = [await transactions.write(store.claim, [claim], 1) for _ in range(4)]

    assert [[c.key.key_id for c in some] for some in taken] == [["Z"], ["A"], ["B"], []]


async def test_many_devices_are_served_by_one_claim(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    for address in ((ALICE, PHONE), (ALICE, TABLET), (BOB, PHONE)):
        await upload(transactions, address, one_time("1"))
    await upload(transactions, (BOB, PHONE), one_time("1", b'"x"', "plain"))
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
    await upload(transactions, phone, one_time("1"))
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
    await upload(transactions, phone, *keys)
    await transactions.write(store.claim, [Claim(ALICE, PHONE, CURVE)], 1000)

    await upload(transactions, phone, *keys, claimed_since=1000)
    assert await transactions.read(store.counts, phone) == {CURVE: 1}

    await upload(transactions, phone, *keys, claimed_since=2000)
    assert await transactions.read(store.counts, phone) == {CURVE: 2}


async def test_keys_are_numbered_on_from_batch_to_batch(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    phone, claim = (ALICE, PHONE), Claim(ALICE, PHONE, CURVE)
    uploads = (
        ["a"],
        [f"b{n}" for n in range(IN_BATCH)],
        [f"c{n}" for n in range(2 * IN_BATCH + 3)],
    )
    for number, key_ids in enumerate(uploads):
        keys = [one_time(key_id, b'"%d"' % 10**number) for key_id in key_ids]
        await upload(transactions, phone, *keys)
    expected = list(chain(*uploads))

    taken = []
    while found := await transactions.write(store.claim, [claim], 1):
        taken.append(found[0].key.key_id)
        left = len(expected) - len(taken)
        assert await transactions.read(store.counts, phone) == ({CURVE: left} if left else {})
    await upload(transactions, phone, one_time("d"))
    [again] = await transactions.write(store.claim, [claim], 1)

    assert taken == expected
    assert again.key == one_time("d")


async def test_batches_are_deleted_when_they_have_been_used_up_for_long(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    phone, claim = (ALICE, PHONE), Claim(ALICE, PHONE, CURVE)
    keys = [one_time(str(number)) for number in range(2 * IN_BATCH)]
    await upload(transactions, phone, *keys)
    for _ in range(IN_BATCH + 1):
        await transactions.write(store.claim, [claim], 1000)

    await upload(transactions, phone, *keys, now_ms=2000, claimed_since=500)
    await upload(transactions, phone, one_time("x"), now_ms=3000, claimed_since=1000)
    assert await batches(transactions) == [0, 1, 2]

    await upload(transactions, phone, one_time("y"), now_ms=4000, claimed_since=2500)
    assert await batches(transactions) == [1, 2, 3]
    assert await transactions.read(store.counts, phone) == {CURVE: IN_BATCH + 1}


async def test_keys_of_one_batch_may_differ_in_length_and_name(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    keys = [one_time("a\n b", b'"\xc3\xa9 "'), one_time('q"\\', b'{"key":"longer"}'), one_time(" ")]
    await upload(transactions, (ALICE, PHONE), *keys)

    taken = [
        (await transactions.write(store.claim, [Claim(ALICE, PHONE, CURVE)], 1))[0].key
        for _ in keys
    ]

    assert taken == keys


async def test_other_keys_under_the_same_name_are_found(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    phone = (ALICE, PHONE)
    await upload(transactions, phone, one_time("1"), one_time("2"))

    uploaded = [one_time("1"), one_time("2", b'"other"'), one_time("3", b'"new"')]
    others = await transactions.read(store.other_one_time_keys, phone, uploaded)

    assert others == [one_time("2")]


async def test_what_a_deleted_device_leaves_behind_is_found_and_forgotten(
    store: SqlDeviceKeyStore, transactions: Transactions
) -> None:
    traces = SqlDeviceTraceStore(transactions)
    for address in ((ALICE, PHONE), (ALICE, TABLET)):
        await transactions.write(store.put_device_keys, address, b"{}")
        await upload(transactions, address, one_time("1"))
    await SqlDeviceStore(transactions).delete(ALICE, [PHONE])
    assert await traces.orphans() == [(ALICE, PHONE)]
    assert await transactions.read(traces.has_keys, ALICE, [PHONE])

    await transactions.write(traces.forget_devices, ALICE, [PHONE])

    assert await traces.orphans() == []
    assert not await transactions.read(traces.has_keys, ALICE, [PHONE])
    assert await transactions.read(store.counts, (ALICE, PHONE)) == {}
    assert await transactions.read(store.counts, (ALICE, TABLET)) == {CURVE: 1}
