"""Push rules, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions
from storage.personal.push_rules import SqlPushRuleStore

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
CAROL = UserId("@carol:hs")


@pytest.fixture
async def store(transactions: Transactions) -> SqlPushRuleStore:
    store = SqlPushRuleStore(transactions)

    def work(tx: Transaction) -> None:
        store.put(tx, ALICE, b"alice", individual=True)
        store.put(tx, BOB, b"bob", individual=False)

    await transactions.write(work)
    return store


async def test_rules_are_read_for_those_who_changed_any(store: SqlPushRuleStore) -> None:
    assert await store.of([ALICE, BOB, CAROL]) == {ALICE: b"alice", BOB: b"bob"}
    assert await store.of([CAROL]) == {}


async def test_individual_rules_are_found_without_knowing_whose(store: SqlPushRuleStore) -> None:
    assert await store.individual() == {ALICE: b"alice"}


async def test_rules_are_replaced(transactions: Transactions, store: SqlPushRuleStore) -> None:
    def work(tx: Transaction) -> None:
        store.put(tx, ALICE, b"new", individual=False)

    await transactions.write(work)
    assert await store.of([ALICE]) == {ALICE: b"new"}
    assert await store.individual() == {}
