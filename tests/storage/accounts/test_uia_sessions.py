"""User-interactive sessions, in both databases."""

from __future__ import annotations

from homeserver.ports.database import Transactions
from storage.accounts.uia_sessions import SqlUiaSessionStore


async def test_completed_stages_are_remembered_in_order(transactions: Transactions) -> None:
    store = SqlUiaSessionStore(transactions)

    await store.save("one", {"z.stage": "é"}, 100, 1)
    await store.save("one", {"z.stage": "é", "a.stage": ""}, 100, 1)
    await store.save("two", {"a.stage": "other"}, 100, 1)

    assert list((await store.completed("one", 99)).items()) == [("z.stage", "é"), ("a.stage", "")]
    assert await store.completed("three", 1) == {}


async def test_a_session_expires(transactions: Transactions) -> None:
    store = SqlUiaSessionStore(transactions)
    await store.save("one", {"a.stage": ""}, 100, 1)

    assert await store.completed("one", 100) == {}

    await store.save("two", {"a.stage": ""}, 200, 100)
    assert await store.completed("one", 1) == {}


async def test_a_session_is_forgotten(transactions: Transactions) -> None:
    store = SqlUiaSessionStore(transactions)
    await store.save("one", {"a.stage": ""}, 100, 1)

    await store.forget("one")

    assert await store.completed("one", 1) == {}
