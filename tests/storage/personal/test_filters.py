"""Filters, in both databases."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transactions
from storage.personal.filters import SqlFilterStore

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")


async def test_a_filter_belongs_to_its_user(transactions: Transactions) -> None:
    store = SqlFilterStore(transactions)
    await store.put(ALICE, "f", b"{}")
    assert await store.definition(ALICE, "f") == b"{}"
    assert await store.definition(BOB, "f") is None
    assert await store.definition(ALICE, "g") is None


async def test_storing_a_filter_again_does_nothing(transactions: Transactions) -> None:
    store = SqlFilterStore(transactions)
    await store.put(ALICE, "f", b"{}")
    await store.put(ALICE, "f", b"{}")
    assert await store.definition(ALICE, "f") == b"{}"
