"""Dehydrated devices."""

from __future__ import annotations

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.encryption.dehydrated_devices import DehydratedDevice


class SqlDehydratedDeviceStore:
    """See :class:`homeserver.ports.encryption.dehydrated_devices.DehydratedDeviceStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def get(self, user_id: UserId) -> DehydratedDevice | None:
        return await self._transactions.read(self.read, user_id)

    def read(self, tx: Transaction, user_id: UserId) -> DehydratedDevice | None:
        row = tx.one(
            """SELECT x.device_id, x.device_data FROM dehydrated_devices x
            JOIN devices d ON d.user_id = x.user_id AND d.device_id = x.device_id
            WHERE x.user_id = ?""",
            (user_id,),
        )
        return None if row is None else DehydratedDevice(DeviceId(row[0]), row[1])

    def put(
        self,
        tx: Transaction,
        user_id: UserId,
        device: DehydratedDevice,
        display_name: str | None,
        created_ts: int,
    ) -> None:
        tx.execute(
            """INSERT INTO devices (user_id, device_id, display_name, created_ts)
            VALUES (?, ?, ?, ?)""",
            (user_id, device.device_id, display_name, created_ts),
        )
        tx.execute(
            """INSERT INTO dehydrated_devices (user_id, device_id, device_data) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO UPDATE SET
                device_id = excluded.device_id, device_data = excluded.device_data""",
            (user_id, device.device_id, device.device_data),
        )

    def is_taken(self, tx: Transaction, user_id: UserId, device_id: DeviceId) -> bool:
        row = tx.one(
            """SELECT 1 FROM devices d WHERE user_id = ? AND device_id = ? AND NOT EXISTS (
                SELECT 1 FROM dehydrated_devices x
                WHERE x.user_id = d.user_id AND x.device_id = d.device_id
            )""",
            (user_id, device_id),
        )
        return row is not None

    def remove(self, tx: Transaction, user_id: UserId, device_id: DeviceId) -> None:
        device = (user_id, device_id)
        tx.execute("DELETE FROM dehydrated_devices WHERE user_id = ? AND device_id = ?", device)
        tx.execute("DELETE FROM devices WHERE user_id = ? AND device_id = ?", device)
