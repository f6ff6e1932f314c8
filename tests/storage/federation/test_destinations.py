"""Servers that cannot be reached, in both databases."""

from __future__ import annotations

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transactions
from homeserver.ports.federation.destinations import FailingDestination
from storage.federation.destinations import SqlDestinationStore

A = FailingDestination(ServerName("a.example"), 3, 100, 300, 2_000_000_000_000)
B = FailingDestination(ServerName("b.example:8448"), 1, 200, 200, 1_200)


async def test_records_are_read_back(transactions: Transactions) -> None:
    store = SqlDestinationStore(transactions)
    assert await store.failing() == []
    await store.save([B, A], [])
    assert await store.failing() == [A, B]


async def test_a_record_is_replaced_and_those_of_recovered_servers_are_deleted(
    transactions: Transactions,
) -> None:
    store = SqlDestinationStore(transactions)
    await store.save([A, B], [])
    worse = FailingDestination(A.destination, 4, 100, 400, 5_000)
    await store.save([worse], [B.destination, ServerName("never.example")])
    assert await store.failing() == [worse]
    await store.save([], [A.destination])
    assert await store.failing() == []
    await store.save([], [])
