"""Connections of sliding sync."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.personal.sliding_connections import ConnectionKey, SavedConnection

_SURPLUS = """
DELETE FROM sliding_connections WHERE EXISTS (
    SELECT 1 FROM (
        SELECT c.user_id, c.device_id, c.conn_id, row_number() OVER (
            PARTITION BY c.user_id, c.device_id ORDER BY c.used_ms DESC, c.conn_id) AS place
        FROM sliding_connections c WHERE c.user_id = ANY(?)
    ) ranked
    WHERE ranked.place > ? AND ranked.user_id = sliding_connections.user_id
        AND ranked.device_id = sliding_connections.device_id
        AND ranked.conn_id = sliding_connections.conn_id
) AND user_id = ANY(?)"""


class SqlSlidingConnectionStore:
    """See :class:`homeserver.ports.personal.sliding_connections.SlidingConnectionStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def load(self, key: ConnectionKey) -> SavedConnection | None:
        return await self._transactions.read(_load, key)

    async def save(self, connections: Sequence[SavedConnection], most_of_a_device: int) -> None:
        await self._transactions.write(_save, list(connections), most_of_a_device)

    async def delete_unused(self, since_ms: int) -> None:
        await self._transactions.write(_delete_unused, since_ms)


def _load(tx: Transaction, key: ConnectionKey) -> SavedConnection | None:
    row = tx.one(
        "SELECT secret, state, used_ms FROM sliding_connections"
        " WHERE user_id = ? AND device_id = ? AND conn_id = ?",
        key,
    )
    return SavedConnection(key, bytes(row[0]), bytes(row[1]), row[2]) if row is not None else None


def _save(tx: Transaction, connections: list[SavedConnection], most_of_a_device: int) -> None:
    tx.insert(
        "INSERT INTO sliding_connections"
        " (user_id, device_id, conn_id, secret, state, used_ms) VALUES",
        [(*c.key, c.secret, c.state, c.used_ms) for c in connections],
        """ON CONFLICT (user_id, device_id, conn_id) DO UPDATE SET
        secret = excluded.secret, state = excluded.state, used_ms = excluded.used_ms""",
    )
    users: list[str] = sorted({c.key.user_id for c in connections})
    tx.execute(_SURPLUS, (users, most_of_a_device, users))


def _delete_unused(tx: Transaction, since_ms: int) -> None:
    tx.execute("DELETE FROM sliding_connections WHERE used_ms < ?", (since_ms,))
