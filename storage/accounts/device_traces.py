"""What devices and users leave behind when they are gone."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.encryption.to_device import DeviceAddress

_OF_DEVICES = (
    "device_keys",
    "one_time_keys",
    "claimed_one_time_keys",
    "fallback_keys",
    "to_device_messages",
    "to_device_cursors",
    "to_device_transactions",
    "dehydrated_devices",
    "sliding_connections",
)
_OF_USERS = ("cross_signing_keys", "key_backups", "backed_up_keys")
# What is left behind here would come back to life with a device of the same ID.
_LASTING = ("device_keys", "one_time_keys", "fallback_keys", "to_device_messages")


class SqlDeviceTraceStore:
    """See :class:`homeserver.ports.accounts.device_traces.DeviceTraceStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def has_keys(self, tx: Transaction, user_id: UserId, device_ids: Sequence[DeviceId]) -> bool:
        row = tx.one(
            "SELECT 1 FROM device_keys WHERE user_id = ? AND device_id = ANY(?) LIMIT 1",
            (user_id, list(device_ids)),
        )
        return row is not None

    def forget_devices(
        self, tx: Transaction, user_id: UserId, device_ids: Sequence[DeviceId]
    ) -> None:
        for table in _OF_DEVICES:
            tx.execute(
                f"DELETE FROM {table} WHERE user_id = ? AND device_id = ANY(?)",
                (user_id, list(device_ids)),
            )

    def forget_user(self, tx: Transaction, user_id: UserId) -> None:
        for table in _OF_USERS:
            tx.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,))
        tx.execute("DELETE FROM user_signatures WHERE signer = ?", (user_id,))

    async def orphans(self) -> list[DeviceAddress]:
        return await self._transactions.read(_orphans)


def _orphans(tx: Transaction) -> list[DeviceAddress]:
    kept = " UNION ".join(f"SELECT user_id, device_id FROM {table}" for table in _LASTING)
    rows = tx.all(
        f"""SELECT k.user_id, k.device_id FROM ({kept}) AS k WHERE NOT EXISTS (
            SELECT 1 FROM devices d WHERE d.user_id = k.user_id AND d.device_id = k.device_id
        )"""
    )
    return [(UserId(user_id), DeviceId(device_id)) for user_id, device_id in rows]
