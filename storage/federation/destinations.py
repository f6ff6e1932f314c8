"""Servers that cannot be reached, and when to try them again."""

from __future__ import annotations

from collections.abc import Collection

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.federation.destinations import FailingDestination

_COLUMNS = "destination, failures, failing_since_ts, last_failure_ts, retry_at_ts"


class SqlDestinationStore:
    """See :class:`homeserver.ports.federation.destinations.DestinationStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def failing(self) -> list[FailingDestination]:
        return await self._transactions.read(_failing)

    async def save(
        self, failing: Collection[FailingDestination], recovered: Collection[ServerName]
    ) -> None:
        await self._transactions.write(_save, failing, recovered)


def _failing(tx: Transaction) -> list[FailingDestination]:
    rows = tx.all(f"SELECT {_COLUMNS} FROM failing_destinations ORDER BY destination")
    return [FailingDestination(ServerName(row[0]), *row[1:]) for row in rows]


def _save(
    tx: Transaction, failing: Collection[FailingDestination], recovered: Collection[ServerName]
) -> None:
    tx.insert(
        f"INSERT INTO failing_destinations ({_COLUMNS}) VALUES",
        [
            (
                each.destination,
                each.failures,
                each.failing_since_ms,
                each.last_failure_ms,
                each.retry_at_ms,
            )
            for each in failing
        ],
        """ON CONFLICT (destination) DO UPDATE SET
            failures = EXCLUDED.failures,
            failing_since_ts = EXCLUDED.failing_since_ts,
            last_failure_ts = EXCLUDED.last_failure_ts,
            retry_at_ts = EXCLUDED.retry_at_ts""",
    )
    if recovered:
        tx.execute(
            "DELETE FROM failing_destinations WHERE destination = ANY(?)", (list(recovered),)
        )
