"""Changes of device lists and who sees them, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.encryption.cross_signing import UserSignature
from storage.encryption.cross_signing import SqlCrossSigningStore
from storage.encryption.device_lists import SqlDeviceListStore

ALICE, BOB, CAROL, DAVE = (UserId(f"@{name}:hs") for name in ("alice", "bob", "carol", "dave"))
LOBBY, ATTIC = 1, 2


@pytest.fixture
async def store(transactions: Transactions) -> SqlDeviceListStore:
    def set_up(tx: Transaction) -> None:
        rooms = [(nid, f"!{nid}:hs", "12", nid - 1, False, 1) for nid in (LOBBY, ATTIC)]
        tx.insert(
            "INSERT INTO rooms (room_nid, room_id, version, shard, published, created_ts) VALUES",
            rooms,
        )

    await transactions.write(set_up)
    return SqlDeviceListStore(transactions)


async def member(
    transactions: Transactions,
    user_id: UserId,
    room: int,
    membership: str,
    position: int,
    joined_position: int,
) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(
            """INSERT INTO memberships (user_id, room_nid, membership, event_nid, position, sender,
                joined_position, ordinal, room_highlight_ordinal, forgotten)
            VALUES (?, ?, ?, 1, ?, ?, ?, 0, 0, FALSE)""",
            (user_id, room, membership, position, user_id, joined_position),
        )

    await transactions.write(work)


async def test_changes_are_seen_by_those_who_share_a_room(
    store: SqlDeviceListStore, transactions: Transactions
) -> None:
    await member(transactions, ALICE, LOBBY, "join", 1, 1)
    await member(transactions, BOB, LOBBY, "join", 2, 2)
    await member(transactions, CAROL, LOBBY, "leave", 3, 2)
    await member(transactions, DAVE, ATTIC, "join", 4, 4)
    for position, user_id in enumerate((ALICE, BOB, CAROL, DAVE), 10):
        await transactions.write(store.note_change, user_id, 0, position)
    await transactions.write(store.note_change, BOB, 0, 20)

    assert sorted(await store.changed_since(ALICE, [9])) == [ALICE, BOB]
    assert sorted(await store.changed_since(ALICE, [10])) == [BOB]
    assert sorted(await store.changed_since(ALICE, [20])) == []
    assert sorted(await store.changed_since(DAVE, [0])) == [DAVE]
    assert await store.joined_rooms(ALICE) == [LOBBY]
    assert await store.joined_rooms(CAROL) == []
    assert await store.sharing(ALICE, [BOB, CAROL, DAVE]) == {BOB}


async def test_signatures_are_seen_by_who_made_them(
    store: SqlDeviceListStore, transactions: Transactions
) -> None:
    signing = SqlCrossSigningStore(transactions)
    signature = UserSignature(BOB, "key", "ed25519:x", "sig")
    await transactions.write(signing.add_signatures, ALICE, [signature], 7)

    assert await store.changed_since(ALICE, [6]) == [BOB]
    assert await store.changed_since(ALICE, [7]) == []
    assert await store.changed_since(BOB, [0]) == []


async def test_moves_are_those_that_still_hold(
    store: SqlDeviceListStore, transactions: Transactions
) -> None:
    await member(transactions, ALICE, LOBBY, "join", 12, 3)  # only took another name
    await member(transactions, BOB, LOBBY, "join", 12, 11)
    await member(transactions, CAROL, LOBBY, "ban", 12, 3)
    await member(transactions, DAVE, LOBBY, "leave", 12, 0)  # was never in
    await member(transactions, DAVE, ATTIC, "join", 12, 12)

    moves = await store.moves_since([LOBBY, ATTIC], [10, 15])
    assert (moves.joined, moves.left) == ([BOB], [CAROL])
    moves = await store.moves_since([ATTIC], [10, 10])
    assert (moves.joined, moves.left) == ([DAVE], [])
