"""Backups of keys, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.key_backup import BackedUpKey
from homeserver.ports.database import Transactions
from homeserver.ports.encryption.key_backup import KeyBackup
from storage.encryption.key_backup import SqlKeyBackupStore

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")
HERE, THERE = RoomId("!here:hs"), RoomId("!there:hs")


@pytest.fixture
def store() -> SqlKeyBackupStore:
    return SqlKeyBackupStore()


def key(room_id: RoomId, session_id: str, *, index: int = 5, verified: bool = False) -> BackedUpKey:
    return BackedUpKey(room_id, session_id, index, 1, verified, b'{"a":1}')


async def test_numbers_of_versions_are_not_used_again(
    store: SqlKeyBackupStore, transactions: Transactions
) -> None:
    made = [await transactions.write(store.create, ALICE, "alg", b"{}") for _ in range(2)]
    await transactions.write(store.delete, ALICE, 2)
    made.append(await transactions.write(store.create, ALICE, "alg", b'{"x":1}'))
    made.append(await transactions.write(store.create, BOB, "alg", b"{}"))

    assert made == [1, 2, 3, 1]
    current = await transactions.read(store.current, ALICE)
    assert current == KeyBackup(3, "alg", b'{"x":1}', 0, 0, False)
    await transactions.write(store.delete, ALICE, 3)
    assert await transactions.read(store.current, ALICE) == KeyBackup(1, "alg", b"{}", 0, 0, False)
    deleted = await transactions.read(store.version, ALICE, 3)
    assert deleted == KeyBackup(3, "alg", b"{}", 0, 0, True)
    assert await transactions.read(store.version, BOB, 3) is None


async def test_keys_are_stored_read_and_removed_by_room_and_session(
    store: SqlKeyBackupStore, transactions: Transactions
) -> None:
    keys = [key(HERE, "1"), key(HERE, "2", verified=True), key(THERE, "1")]
    await transactions.write(store.put_keys, ALICE, 1, keys)
    await transactions.write(store.put_keys, ALICE, 1, [key(HERE, "1", index=2)])
    await transactions.write(store.put_keys, ALICE, 2, keys)

    ranks = await transactions.read(store.ranks, ALICE, 1, [*keys, key(THERE, "9")])
    assert ranks == {
        (HERE, "1"): (True, 2, 1),
        (HERE, "2"): (False, 5, 1),
        (THERE, "1"): (True, 5, 1),
    }
    assert await transactions.read(store.keys, ALICE, 1, HERE, "1") == [key(HERE, "1", index=2)]
    assert len(await transactions.read(store.keys, ALICE, 1, HERE, None)) == 2
    assert len(await transactions.read(store.keys, ALICE, 1, None, None)) == 3

    assert await transactions.write(store.remove_keys, ALICE, 1, HERE, "9") == 0
    assert await transactions.write(store.remove_keys, ALICE, 1, HERE, "2") == 1
    assert await transactions.write(store.remove_keys, ALICE, 1, THERE, None) == 1
    assert await transactions.write(store.remove_keys, ALICE, 1, None, None) == 1
    assert len(await transactions.read(store.keys, ALICE, 2, None, None)) == 3


async def test_data_and_counts_of_a_version_are_replaced(
    store: SqlKeyBackupStore, transactions: Transactions
) -> None:
    await transactions.write(store.create, ALICE, "alg", b"{}")

    await transactions.write(store.set_auth_data, ALICE, 1, b'{"k":1}')
    await transactions.write(store.note_keys, ALICE, 1, 4, 2)

    assert await transactions.read(store.current, ALICE) == KeyBackup(
        1, "alg", b'{"k":1}', 4, 2, False
    )
