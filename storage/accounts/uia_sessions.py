"""User-interactive authentications with some stages completed and others to come."""

from __future__ import annotations

import msgspec

from homeserver.ports.database import Transaction, Transactions

_decode = msgspec.json.Decoder(dict[str, str]).decode


class SqlUiaSessionStore:
    """See :class:`homeserver.ports.accounts.uia_sessions.UiaSessionStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def completed(self, session_id: str, now_ms: int) -> dict[str, str]:
        return await self._transactions.read(_completed, session_id, now_ms)

    async def save(
        self, session_id: str, completed: dict[str, str], expires_ts: int, now_ms: int
    ) -> None:
        await self._transactions.write(_save, session_id, completed, expires_ts, now_ms)

    async def forget(self, session_id: str) -> None:
        await self._transactions.write(_forget, session_id)


def _completed(tx: Transaction, session_id: str, now_ms: int) -> dict[str, str]:
    row = tx.one(
        "SELECT completed FROM uia_sessions WHERE session_id = ? AND expires_ts > ?",
        (session_id, now_ms),
    )
    return {} if row is None else _decode(row[0])


def _save(
    tx: Transaction, session_id: str, completed: dict[str, str], expires_ts: int, now_ms: int
) -> None:
    tx.execute("DELETE FROM uia_sessions WHERE expires_ts <= ?", (now_ms,))
    tx.execute(
        """INSERT INTO uia_sessions (session_id, completed, expires_ts) VALUES (?, ?, ?)
        ON CONFLICT (session_id) DO UPDATE SET completed = excluded.completed""",
        (session_id, msgspec.json.encode(completed).decode(), expires_ts),
    )


def _forget(tx: Transaction, session_id: str) -> None:
    tx.execute("DELETE FROM uia_sessions WHERE session_id = ?", (session_id,))
