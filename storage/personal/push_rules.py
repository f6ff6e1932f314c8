"""Push rules."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Row, Transaction, Transactions

_SELECT = "SELECT user_id, overrides FROM push_rules"


class SqlPushRuleStore:
    """See :class:`homeserver.ports.personal.push_rules.PushRuleStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def of(self, user_ids: Sequence[UserId]) -> dict[UserId, bytes]:
        return await self._transactions.read(_of, list(user_ids))

    async def individual(self) -> dict[UserId, bytes]:
        return await self._transactions.read(_individual)

    def put(self, tx: Transaction, user_id: UserId, stored: bytes, *, individual: bool) -> None:
        tx.execute(
            """INSERT INTO push_rules (user_id, overrides, individual) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO UPDATE SET overrides = excluded.overrides,
                individual = excluded.individual""",
            (user_id, stored, individual),
        )


def _of(tx: Transaction, user_ids: list[UserId]) -> dict[UserId, bytes]:
    return _by_user(tx.all(f"{_SELECT} WHERE user_id = ANY(?)", (user_ids,)))


def _individual(tx: Transaction) -> dict[UserId, bytes]:
    return _by_user(tx.all(f"{_SELECT} WHERE individual"))


def _by_user(rows: list[Row]) -> dict[UserId, bytes]:
    return {UserId(user_id): overrides for user_id, overrides in rows}
