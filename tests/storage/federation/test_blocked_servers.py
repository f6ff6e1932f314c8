"""Servers that operators block, in both databases."""

from __future__ import annotations

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transactions
from homeserver.ports.federation.blocked_servers import BlockedServer
from storage.federation.blocked_servers import SqlBlockedServerStore

A = BlockedServer(ServerName("a.example"), 1_700_000_000_000)
B = BlockedServer(ServerName("b.example:8448"), 2)


async def test_servers_are_blocked_until_they_are_not(transactions: Transactions) -> None:
    store = SqlBlockedServerStore(transactions)
    assert await store.blocked() == []
    await store.block(B)
    await store.block(A)
    assert await store.blocked() == [A, B]
    await store.unblock(A.server_name)
    await store.unblock(ServerName("never.example"))
    assert await store.blocked() == [B]


async def test_a_server_that_is_blocked_again_keeps_its_time(transactions: Transactions) -> None:
    store = SqlBlockedServerStore(transactions)
    await store.block(A)
    await store.block(BlockedServer(A.server_name, 5))
    assert await store.blocked() == [A]
