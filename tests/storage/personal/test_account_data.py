"""Account data, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.personal.account_data import AccountDataRow
from storage.personal.account_data import SqlAccountDataStore

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
ROOM = RoomId("!room")


@pytest.fixture
def store(transactions: Transactions) -> SqlAccountDataStore:
    return SqlAccountDataStore(transactions)


async def put(
    transactions: Transactions, store: SqlAccountDataStore, user_id: UserId, row: AccountDataRow
) -> None:
    await transactions.write(store.put, user_id, row)


async def test_data_is_found_by_its_user_room_and_type(
    transactions: Transactions, store: SqlAccountDataStore
) -> None:
    everywhere = AccountDataRow(None, "m.direct", b'{"a":1}', 3)
    in_room = AccountDataRow(ROOM, "m.direct", b'{"b":"\\u0000"}', 4)
    await put(transactions, store, ALICE, everywhere)
    await put(transactions, store, ALICE, in_room)
    assert await store.get(ALICE, None, "m.direct") == everywhere
    assert await store.get(ALICE, ROOM, "m.direct") == in_room
    assert await store.get(ALICE, None, "m.tag") is None
    assert await store.get(BOB, None, "m.direct") is None


async def test_newer_data_takes_the_place_of_older(
    transactions: Transactions, store: SqlAccountDataStore
) -> None:
    await put(transactions, store, ALICE, AccountDataRow(None, "m.direct", b"{}", 3))
    await put(transactions, store, ALICE, AccountDataRow(None, "m.direct", b'{"a":1}', 7))
    assert await store.since(ALICE, 0) == [AccountDataRow(None, "m.direct", b'{"a":1}', 7)]


async def test_since_gives_what_is_newer_in_order(
    transactions: Transactions, store: SqlAccountDataStore
) -> None:
    rows = [
        AccountDataRow(None, "m.direct", b"{}", 5),
        AccountDataRow(ROOM, "m.tag", b"{}", 3),
        AccountDataRow(None, "m.widgets", b"{}", 9),
    ]
    for row in rows:
        await put(transactions, store, ALICE, row)
    await put(transactions, store, BOB, AccountDataRow(None, "m.direct", b"{}", 6))
    assert await store.since(ALICE, 0) == [rows[1], rows[0], rows[2]]
    assert await store.since(ALICE, 3) == [rows[0], rows[2]]
    assert await store.since(ALICE, 9) == []


async def test_work_reads_what_it_is_about_to_replace(
    transactions: Transactions, store: SqlAccountDataStore
) -> None:
    def work(tx: Transaction) -> list[AccountDataRow | None]:
        before = store.read(tx, ALICE, ROOM, "m.tag")
        store.put(tx, ALICE, AccountDataRow(ROOM, "m.tag", b"{}", 1))
        return [before, store.read(tx, ALICE, ROOM, "m.tag")]

    assert await transactions.write(work) == [None, AccountDataRow(ROOM, "m.tag", b"{}", 1)]


async def test_one_type_is_read_for_many_users(
    transactions: Transactions, store: SqlAccountDataStore
) -> None:
    await put(transactions, store, ALICE, AccountDataRow(None, "m.direct", b'{"a":1}', 1))
    await put(transactions, store, ALICE, AccountDataRow(ROOM, "m.direct", b'{"a":2}', 2))
    await put(transactions, store, BOB, AccountDataRow(None, "m.widgets", b"{}", 3))
    assert await store.of_users([ALICE, BOB], "m.direct") == {ALICE: b'{"a":1}'}
