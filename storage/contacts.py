"""Who shares rooms with whom."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions


class SqlContacts:
    """See :class:`homeserver.ports.contacts.Contacts`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def share_a_room(self, one: UserId, other: UserId) -> bool:
        return await self._transactions.read(_share_a_room, one, other)


def _share_a_room(tx: Transaction, one: UserId, other: UserId) -> bool:
    row = tx.one(
        """SELECT 1 FROM memberships a JOIN memberships b ON b.room_nid = a.room_nid
        WHERE a.user_id = ? AND a.membership = 'join'
            AND b.user_id = ? AND b.membership = 'join' LIMIT 1""",
        (one, other),
    )
    return row is not None
