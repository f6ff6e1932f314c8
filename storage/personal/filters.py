"""Filters."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions


class SqlFilterStore:
    """See :class:`homeserver.ports.personal.filters.FilterStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def definition(self, user_id: UserId, filter_id: str) -> bytes | None:
        return await self._transactions.read(_definition, user_id, filter_id)

    async def put(self, user_id: UserId, filter_id: str, definition: bytes) -> None:
        await self._transactions.write(_put, user_id, filter_id, definition)


def _definition(tx: Transaction, user_id: UserId, filter_id: str) -> bytes | None:
    row = tx.one(
        "SELECT definition FROM filters WHERE user_id = ? AND filter_id = ?", (user_id, filter_id)
    )
    return row[0] if row is not None else None


def _put(tx: Transaction, user_id: UserId, filter_id: str, definition: bytes) -> None:
    tx.execute(
        "INSERT INTO filters (user_id, filter_id, definition) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id, filter_id) DO NOTHING",
        (user_id, filter_id, definition),
    )
