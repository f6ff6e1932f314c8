"""Which accounts are those of guests."""

from __future__ import annotations

from collections.abc import Collection

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions


class SqlGuestStore:
    """See :class:`homeserver.ports.accounts.guests.GuestStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def guests_among(self, user_ids: Collection[UserId]) -> list[UserId]:
        if not user_ids:
            return []
        return await self._transactions.read(_guests_among, list(user_ids))


def _guests_among(tx: Transaction, user_ids: list[UserId]) -> list[UserId]:
    rows = tx.all("SELECT user_id FROM users WHERE user_id = ANY(?) AND is_guest", (user_ids,))
    return [UserId(user_id) for (user_id,) in rows]
