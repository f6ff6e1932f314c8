"""Servers that operators block."""

from __future__ import annotations

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.federation.blocked_servers import BlockedServer


class SqlBlockedServerStore:
    """See :class:`homeserver.ports.federation.blocked_servers.BlockedServerStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def blocked(self) -> list[BlockedServer]:
        return await self._transactions.read(_blocked)

    async def block(self, server: BlockedServer) -> None:
        await self._transactions.write(_block, server)

    async def unblock(self, server_name: ServerName) -> None:
        await self._transactions.write(_unblock, server_name)


def _blocked(tx: Transaction) -> list[BlockedServer]:
    rows = tx.all("SELECT server_name, blocked_ts FROM blocked_servers ORDER BY server_name")
    return [BlockedServer(ServerName(name), blocked_ms) for name, blocked_ms in rows]


def _block(tx: Transaction, server: BlockedServer) -> None:
    tx.insert(
        "INSERT INTO blocked_servers (server_name, blocked_ts) VALUES",
        [(server.server_name, server.blocked_ms)],
        "ON CONFLICT DO NOTHING",
    )


def _unblock(tx: Transaction, server_name: ServerName) -> None:
    tx.execute("DELETE FROM blocked_servers WHERE server_name = ?", (server_name,))
