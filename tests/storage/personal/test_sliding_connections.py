"""Connections of sliding sync, on both engines."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transactions
from homeserver.ports.personal.sliding_connections import ConnectionKey, SavedConnection
from storage.personal.sliding_connections import SqlSlidingConnectionStore

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")


def saved(
    user_id: UserId, device_id: str, conn_id: str, used_ms: int = 1, state: bytes = b"state"
) -> SavedConnection:
    return SavedConnection(ConnectionKey(user_id, device_id, conn_id), b"secret", state, used_ms)


async def test_a_connection_is_stored_in_place_of_what_it_was(transactions: Transactions) -> None:
    store = SqlSlidingConnectionStore(transactions)
    first, second = saved(ALICE, "A", ""), saved(ALICE, "A", "", 2, b"\x00later")
    assert await store.load(first.key) is None
    await store.save([first], 8)
    assert await store.load(first.key) == first
    await store.save([second, saved(BOB, "A", "")], 8)
    assert await store.load(first.key) == second


async def test_of_each_device_the_connections_used_last_are_kept(
    transactions: Transactions,
) -> None:
    store = SqlSlidingConnectionStore(transactions)
    mine = [saved(ALICE, "A", f"{n}", used_ms=n) for n in range(4)]
    others = [saved(ALICE, "B", "0", used_ms=0), saved(BOB, "A", "0", used_ms=0)]
    await store.save([*mine, *others], 2)
    kept = [c for c in (*mine, *others) if await store.load(c.key) is not None]
    assert kept == [*mine[2:], *others]


async def test_connections_that_nobody_uses_are_deleted(transactions: Transactions) -> None:
    store = SqlSlidingConnectionStore(transactions)
    old, new = saved(ALICE, "A", "old", 10), saved(ALICE, "A", "new", 20)
    await store.save([old, new], 8)
    await store.delete_unused(20)
    assert await store.load(old.key) is None
    assert await store.load(new.key) == new
