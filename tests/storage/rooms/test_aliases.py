"""The aliases that a server hosts."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import RoomAlias, RoomId, UserId
from homeserver.ports.database import Transaction, Transactions, UniqueViolation
from homeserver.ports.rooms.aliases import NewAlias
from storage.rooms.aliases import SqlAliasStore

ALICE = UserId("@alice:hs")


def add_room(tx: Transaction, nid: int) -> None:
    tx.execute(
        "INSERT INTO rooms (room_nid, room_id, version, shard, published, created_ts)"
        " VALUES (?, ?, '12', 0, ?, 0)",
        (nid, f"!room{nid}:hs", False),
    )


def new(localpart: str, nid: int = 1) -> NewAlias:
    return NewAlias(RoomAlias(f"#{localpart}:hs"), nid, ALICE, 1_700_000_000_000)


@pytest.fixture
async def store(transactions: Transactions) -> SqlAliasStore:
    for nid in (1, 2):
        await transactions.write(add_room, nid)
    return SqlAliasStore(transactions)


async def test_aliases_are_found_with_their_rooms(store: SqlAliasStore) -> None:
    await store.add(new("a"))
    await store.add(new("ü", 2))
    wanted = [RoomAlias(alias) for alias in ("#a:hs", "#ü:hs", "#A:hs", "#none:hs")]

    found = {row.alias: row for row in await store.find(wanted)}

    assert set(found) == {"#a:hs", "#ü:hs"}
    row = found[RoomAlias("#ü:hs")]
    assert (row.room_nid, row.room_id, row.creator) == (2, RoomId("!room2:hs"), ALICE)
    assert await store.find([]) == []


async def test_an_alias_is_unique(store: SqlAliasStore) -> None:
    await store.add(new("a"))

    with pytest.raises(UniqueViolation):
        await store.add(new("a", 2))


async def test_the_aliases_of_a_room_are_in_order(store: SqlAliasStore) -> None:
    for localpart in "cab":
        await store.add(new(localpart))
    await store.add(new("other", 2))

    assert await store.of_room(1) == ["#a:hs", "#b:hs", "#c:hs"]


async def test_an_alias_is_removed_once(store: SqlAliasStore) -> None:
    await store.add(new("a"))

    assert await store.remove(RoomAlias("#a:hs"))
    assert not await store.remove(RoomAlias("#a:hs"))
    assert await store.of_room(1) == []


async def test_all_aliases_of_a_room_move(store: SqlAliasStore) -> None:
    for localpart in "ab":
        await store.add(new(localpart))
    await store.add(new("c", 2))

    await store.move(1, 2)

    assert await store.of_room(1) == []
    assert await store.of_room(2) == ["#a:hs", "#b:hs", "#c:hs"]
