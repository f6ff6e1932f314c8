"""Messages between devices."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.encryption.to_device import (
    Acknowledgement,
    DeviceAddress,
    Mailbox,
    StoredMessage,
    ToDeviceMessage,
    ToDeviceTransaction,
)

# How many old transactions are forgotten at a time.
_FORGOTTEN_AT_ONCE = 5000

_OF_DEVICE = "WHERE user_id = ? AND device_id = ?"


class SqlToDeviceStore:
    """See :class:`homeserver.ports.encryption.to_device.ToDeviceStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def devices_of(self, user_ids: Sequence[UserId]) -> list[DeviceAddress]:
        return await self._transactions.read(_devices_of, list(user_ids))

    def begin(
        self, tx: Transaction, transaction: ToDeviceTransaction, shards: Sequence[int]
    ) -> list[int]:
        session = (transaction.user_id, transaction.device_id)
        request = (transaction.txn_id, transaction.type)
        rows = tx.all(
            f"""INSERT INTO to_device_transactions
                (user_id, device_id, txn_id, type, shard, created_ts)
            VALUES {", ".join(["(?, ?, ?, ?, ?, ?)"] * len(shards))}
            ON CONFLICT DO NOTHING RETURNING shard""",
            [
                value
                for shard in shards
                for value in (*session, *request, shard, transaction.created_ts)
            ],
        )
        return [row[0] for row in rows]

    def add(self, tx: Transaction, messages: Sequence[tuple[int, ToDeviceMessage]]) -> None:
        # Joined with the devices, so that nothing is left behind for one that is gone.
        tx.insert(
            """INSERT INTO to_device_messages (user_id, device_id, position, event)
            SELECT d.user_id, d.device_id, v.column3, v.column4 FROM (VALUES""",
            [(m.user_id, m.device_id, position, m.event) for position, m in messages],
            """) AS v
            JOIN devices d ON d.user_id = v.column1 AND d.device_id = v.column2""",
        )

    def forget_transactions(self, tx: Transaction, before_ts: int) -> None:
        newest = tx.one(
            """SELECT max(created_ts) FROM (
                SELECT created_ts FROM to_device_transactions WHERE created_ts < ?
                ORDER BY created_ts LIMIT ?
            ) AS oldest""",
            (before_ts, _FORGOTTEN_AT_ONCE),
        )
        if newest is not None and newest[0] is not None:
            tx.execute("DELETE FROM to_device_transactions WHERE created_ts <= ?", newest)

    async def mailbox(self, user_id: UserId, device_id: DeviceId) -> Mailbox:
        return await self._transactions.read(_mailbox, user_id, device_id)

    async def messages(
        self, user_id: UserId, device_id: DeviceId, after: int, until: int, limit: int
    ) -> list[StoredMessage]:
        return await self._transactions.read(_messages, user_id, device_id, after, until, limit)

    def set_cursor(
        self, tx: Transaction, address: DeviceAddress, token_position: int, delivered: int
    ) -> None:
        tx.execute(
            """INSERT INTO to_device_cursors
                (user_id, device_id, token_position, delivered_position) VALUES (?, ?, ?, ?)
            ON CONFLICT (user_id, device_id, token_position)
            DO UPDATE SET delivered_position = excluded.delivered_position""",
            (*address, token_position, delivered),
        )

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        await self._transactions.write(_acknowledge, list(acknowledgements))


def _devices_of(tx: Transaction, user_ids: list[UserId]) -> list[DeviceAddress]:
    rows = tx.all("SELECT user_id, device_id FROM devices WHERE user_id = ANY(?)", (user_ids,))
    return [(UserId(user_id), DeviceId(device_id)) for user_id, device_id in rows]


def _mailbox(tx: Transaction, user_id: UserId, device_id: DeviceId) -> Mailbox:
    device = (user_id, device_id)
    bounds = tx.one(
        f"SELECT min(position), max(position) FROM to_device_messages {_OF_DEVICE}", device
    )
    first, last = bounds if bounds is not None else (None, None)
    cursors = tx.all(
        f"SELECT token_position, delivered_position FROM to_device_cursors {_OF_DEVICE}", device
    )
    return Mailbox(first or 0, last or 0, dict(cursors))


def _messages(
    tx: Transaction, user_id: UserId, device_id: DeviceId, after: int, until: int, limit: int
) -> list[StoredMessage]:
    rows = tx.all(
        f"""SELECT position, event FROM to_device_messages {_OF_DEVICE}
            AND position > ? AND position <= ? ORDER BY position LIMIT ?""",
        (user_id, device_id, after, until, limit),
    )
    return [StoredMessage(position, event) for position, event in rows]


def _acknowledge(tx: Transaction, acknowledgements: list[Acknowledgement]) -> None:
    tx.insert(
        """DELETE FROM to_device_messages WHERE (user_id, device_id, position) IN (
            SELECT m.user_id, m.device_id, m.position FROM to_device_messages m JOIN (VALUES""",
        [(a.user_id, a.device_id, a.delivered) for a in acknowledgements],
        """) AS v ON m.user_id = v.column1 AND m.device_id = v.column2
            AND m.position <= v.column3)""",
    )
    tx.insert(
        """DELETE FROM to_device_cursors WHERE (user_id, device_id, token_position) IN (
            SELECT c.user_id, c.device_id, c.token_position
            FROM to_device_cursors c JOIN (VALUES""",
        [(a.user_id, a.device_id, a.token_position) for a in acknowledgements],
        """) AS v ON c.user_id = v.column1 AND c.device_id = v.column2
            AND c.token_position < v.column3)""",
    )
