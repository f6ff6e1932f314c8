"""Cross-signing keys, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transactions
from homeserver.ports.encryption.cross_signing import (
    CrossSigningRow,
    SeenCrossSigningRow,
    UserSignature,
)
from storage.accounts.device_traces import SqlDeviceTraceStore
from storage.accounts.sessions import SqlSessionStore
from storage.encryption.cross_signing import SqlCrossSigningStore
from tests.storage.accounts.sessions import new_session

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")


@pytest.fixture
def store(transactions: Transactions) -> SqlCrossSigningStore:
    return SqlCrossSigningStore(transactions)


def row(user_id: UserId, usage: str, public_key: str = "") -> CrossSigningRow:
    return CrossSigningRow(user_id, usage, public_key or f"{usage} of {user_id}", b"{}")


async def test_user_signing_keys_and_signatures_are_for_their_owners(
    store: SqlCrossSigningStore, transactions: Transactions
) -> None:
    for user_id in (ALICE, BOB):
        rows = [row(user_id, "master"), row(user_id, "user_signing")]
        await transactions.write(store.put, rows)
    master = row(BOB, "master").public_key
    signatures = [UserSignature(BOB, master, "ed25519:a", "old")]
    await transactions.write(store.add_signatures, ALICE, signatures, 7)
    signatures = [
        UserSignature(BOB, master, "ed25519:a", "new"),
        UserSignature(BOB, master, "ed25519:b", "too"),
        UserSignature(BOB, "another key", "ed25519:a", "not this"),
    ]
    await transactions.write(store.add_signatures, ALICE, signatures, 8)

    by_alice = await store.keys([BOB, ALICE], viewer=ALICE)
    by_bob = await store.keys([BOB, ALICE], viewer=BOB)

    def seen(of: CrossSigningRow, signatures: dict[str, str]) -> SeenCrossSigningRow:
        return SeenCrossSigningRow(of.user_id, of.usage, of.public_key, of.key, signatures)

    assert sorted(by_alice, key=str) == [
        seen(row(ALICE, "master"), {}),
        seen(row(ALICE, "user_signing"), {}),
        seen(row(BOB, "master"), {"ed25519:a": "new", "ed25519:b": "too"}),
    ]
    assert sorted(by_bob, key=str) == [
        seen(row(ALICE, "master"), {}),
        seen(row(BOB, "master"), {}),
        seen(row(BOB, "user_signing"), {}),
    ]


async def test_published_keys_and_the_signatures_on_them_are_read_apart(
    store: SqlCrossSigningStore, transactions: Transactions
) -> None:
    rows = [row(ALICE, "master"), row(BOB, "master"), row(BOB, "user_signing")]
    await transactions.write(store.put, rows)
    made = [UserSignature(user_id, "key", "ed25519:a", "made") for user_id in (ALICE, BOB)]
    await transactions.write(store.add_signatures, ALICE, made, 7)

    assert sorted(await store.published([BOB]), key=str) == rows[1:]
    assert await store.published([]) == []
    assert await store.signatures(ALICE, [BOB]) == made[1:]
    assert await store.signatures(BOB, [ALICE, BOB]) == []


async def test_keys_are_replaced_and_removed(
    store: SqlCrossSigningStore, transactions: Transactions
) -> None:
    await transactions.write(store.put, [row(ALICE, "master"), row(ALICE, "self_signing")])
    await transactions.write(store.put, [row(ALICE, "master", "new")])
    await transactions.write(store.remove, ALICE, ["self_signing", "user_signing"])

    assert await transactions.read(store.read, ALICE) == {"master": row(ALICE, "master", "new")}

    await transactions.write(SqlDeviceTraceStore(transactions).forget_user, ALICE)
    assert await transactions.read(store.read, ALICE) == {}


async def test_devices_are_found_by_name(
    store: SqlCrossSigningStore, transactions: Transactions
) -> None:
    await SqlSessionStore(transactions).open(new_session(ALICE, "PHONE", "token"))

    assert await transactions.read(store.devices_named, ALICE, ["PHONE", "X"]) == [
        DeviceId("PHONE")
    ]
    assert await transactions.read(store.devices_named, BOB, ["PHONE"]) == []
