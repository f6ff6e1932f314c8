"""Devices, and the tokens that end with them."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.devices import Device, DeviceSeen
from homeserver.ports.database import Row, Transaction, Transactions

_DEVICES = """SELECT device_id, display_name, last_seen_ts, last_seen_ip, last_seen_user_agent
    FROM devices WHERE user_id = ?"""
_TOKEN_TABLES = ("access_tokens", "refresh_tokens")


class SqlDeviceStore:
    """See :class:`homeserver.ports.accounts.devices.DeviceStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def devices(self, user_id: UserId) -> list[Device]:
        return await self._transactions.read(_devices, user_id)

    async def device(self, user_id: UserId, device_id: DeviceId) -> Device | None:
        return await self._transactions.read(_find, user_id, device_id)

    async def rename(self, user_id: UserId, device_id: DeviceId, display_name: str) -> bool:
        return await self._transactions.write(_rename, user_id, device_id, display_name)

    async def delete(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> list[DeviceId]:
        return await self._transactions.write(_delete, user_id, list(device_ids))

    async def delete_all(self, user_id: UserId, keep: DeviceId | None) -> list[DeviceId]:
        return await self._transactions.write(delete_all_devices, user_id, keep)

    async def seen(self, sightings: Sequence[DeviceSeen]) -> None:
        await self._transactions.write(_seen, sightings)


def delete_all_devices(
    tx: Transaction, user_id: UserId, keep: DeviceId | None = None
) -> list[DeviceId]:
    """Delete a user's devices and tokens, but for one device; for other stores to use in their
    work. The devices that existed."""
    # An empty device ID is nobody's.
    others = (user_id, keep or "")
    deleted = tx.all(
        "DELETE FROM devices WHERE user_id = ? AND device_id <> ? RETURNING device_id", others
    )
    for table in _TOKEN_TABLES:
        tx.execute(
            f"DELETE FROM {table} WHERE user_id = ? AND (device_id IS NULL OR device_id <> ?)",
            others,
        )
    tx.execute("DELETE FROM login_tokens WHERE user_id = ?", (user_id,))
    return _device_ids(deleted)


def _device_ids(rows: list[Row]) -> list[DeviceId]:
    return sorted(DeviceId(row[0]) for row in rows)


def _devices(tx: Transaction, user_id: UserId) -> list[Device]:
    rows = tx.all(f"{_DEVICES} ORDER BY created_ts, device_id", (user_id,))
    return [Device(DeviceId(row[0]), *row[1:]) for row in rows]


def _find(tx: Transaction, user_id: UserId, device_id: DeviceId) -> Device | None:
    row = tx.one(f"{_DEVICES} AND device_id = ?", (user_id, device_id))
    return None if row is None else Device(DeviceId(row[0]), *row[1:])


def _rename(tx: Transaction, user_id: UserId, device_id: DeviceId, display_name: str) -> bool:
    touched = tx.execute(
        "UPDATE devices SET display_name = ? WHERE user_id = ? AND device_id = ?",
        (display_name, user_id, device_id),
    )
    return touched > 0


def _delete(tx: Transaction, user_id: UserId, device_ids: list[DeviceId]) -> list[DeviceId]:
    these = "WHERE user_id = ? AND device_id = ANY(?)"
    deleted = tx.all(f"DELETE FROM devices {these} RETURNING device_id", (user_id, device_ids))
    for table in _TOKEN_TABLES:
        tx.execute(f"DELETE FROM {table} {these}", (user_id, device_ids))
    return _device_ids(deleted)


def _seen(tx: Transaction, sightings: Sequence[DeviceSeen]) -> None:
    # An update, not an upsert: a device that was deleted meanwhile must not come back.
    tx.insert(
        """UPDATE devices SET
            last_seen_ts = v.column3, last_seen_ip = v.column4, last_seen_user_agent = v.column5
        FROM (VALUES""",
        [(s.user_id, s.device_id, s.ts, s.ip, s.user_agent) for s in sightings],
        """) AS v WHERE devices.user_id = v.column1 AND devices.device_id = v.column2
            AND (devices.last_seen_ts IS NULL OR devices.last_seen_ts < v.column3)""",
    )
