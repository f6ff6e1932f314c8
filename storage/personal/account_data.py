"""Account data."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.personal.account_data import AccountDataRow

_GLOBAL = ""
_SELECT = "SELECT room_id, type, content, position FROM account_data"


class SqlAccountDataStore:
    """See :class:`homeserver.ports.personal.account_data.AccountDataStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def since(self, user_id: UserId, position: int) -> list[AccountDataRow]:
        return await self._transactions.read(_since, user_id, position)

    async def get(
        self, user_id: UserId, room_id: RoomId | None, type: str
    ) -> AccountDataRow | None:
        return await self._transactions.read(_get, user_id, room_id, type)

    async def of_users(self, user_ids: Sequence[UserId], type: str) -> dict[UserId, bytes]:
        return await self._transactions.read(_of_users, list(user_ids), type)

    def read(
        self, tx: Transaction, user_id: UserId, room_id: RoomId | None, type: str
    ) -> AccountDataRow | None:
        return _get(tx, user_id, room_id, type)

    def put(self, tx: Transaction, user_id: UserId, row: AccountDataRow) -> None:
        tx.execute(
            """INSERT INTO account_data (user_id, room_id, type, content, position)
            VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id, room_id, type) DO UPDATE SET
            content = excluded.content, position = excluded.position""",
            (user_id, row.room_id or _GLOBAL, row.type, row.content, row.position),
        )


def _since(tx: Transaction, user_id: UserId, position: int) -> list[AccountDataRow]:
    rows = tx.all(
        f"{_SELECT} WHERE user_id = ? AND position > ? ORDER BY position", (user_id, position)
    )
    return list(map(_row, rows))


def _get(
    tx: Transaction, user_id: UserId, room_id: RoomId | None, type: str
) -> AccountDataRow | None:
    row = tx.one(
        f"{_SELECT} WHERE user_id = ? AND room_id = ? AND type = ?",
        (user_id, room_id or _GLOBAL, type),
    )
    return _row(row) if row is not None else None


def _of_users(tx: Transaction, user_ids: list[UserId], type: str) -> dict[UserId, bytes]:
    rows = tx.all(
        "SELECT user_id, content FROM account_data"
        " WHERE user_id = ANY(?) AND room_id = ? AND type = ?",
        (user_ids, _GLOBAL, type),
    )
    return {UserId(user_id): content for user_id, content in rows}


def _row(row: Row) -> AccountDataRow:
    room_id, type, content, position = row
    return AccountDataRow(RoomId(room_id) if room_id else None, type, content, position)
