"""Messages to devices of other servers' users, until they are acknowledged."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.federation.outbound import OutboundMessage


class SqlOutboundMessageStore:
    """See :class:`homeserver.ports.federation.outbound.OutboundMessageStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def put(self, tx: Transaction, messages: Sequence[OutboundMessage]) -> None:
        tx.insert(
            "INSERT INTO outbound_messages (destination, number, message_id, content) VALUES",
            [(m.destination, m.number, m.message_id, m.content) for m in messages],
            "ON CONFLICT DO NOTHING",
        )

    async def destinations(self) -> list[ServerName]:
        return await self._transactions.read(_destinations)

    async def last_number(self) -> int:
        return await self._transactions.read(_last_number)

    async def waiting(self, destination: ServerName, limit: int) -> list[OutboundMessage]:
        return await self._transactions.read(_waiting, destination, limit)

    async def acknowledge(self, destination: ServerName, until: int) -> None:
        await self._transactions.write(_acknowledge, destination, until)


def _destinations(tx: Transaction) -> list[ServerName]:
    rows = tx.all("SELECT DISTINCT destination FROM outbound_messages")
    return [ServerName(row[0]) for row in rows]


def _last_number(tx: Transaction) -> int:
    row = tx.one("SELECT max(number) FROM outbound_messages")
    return (row[0] if row is not None else None) or 0


def _waiting(tx: Transaction, destination: ServerName, limit: int) -> list[OutboundMessage]:
    rows = tx.all(
        """SELECT number, message_id, content FROM outbound_messages
        WHERE destination = ? ORDER BY number LIMIT ?""",
        (destination, limit),
    )
    return [OutboundMessage(destination, *row) for row in rows]


def _acknowledge(tx: Transaction, destination: ServerName, until: int) -> None:
    tx.execute(
        "DELETE FROM outbound_messages WHERE destination = ? AND number <= ?", (destination, until)
    )
