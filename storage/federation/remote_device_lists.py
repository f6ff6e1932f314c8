"""The devices of users of other servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from homeserver.domain.identifiers import DeviceId, ServerName, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.federation.remote_device_lists import (
    ListStanding,
    RemoteDevice,
    RemoteDeviceList,
)

_TABLES = ("remote_device_lists", "remote_devices", "remote_cross_signing_keys")


class SqlRemoteDeviceListStore:
    """See :class:`homeserver.ports.federation.remote_device_lists.RemoteDeviceListStore`."""

    def __init__(self, transactions: Transactions, own_name: ServerName) -> None:
        self._transactions = transactions
        self._own_users = f"%:{own_name}"

    async def standing(self, user_id: UserId) -> ListStanding | None:
        return await self._transactions.read(_standing, user_id)

    async def valid(self, user_ids: Collection[UserId]) -> dict[UserId, RemoteDeviceList]:
        return await self._transactions.read(_valid, list(user_ids))

    async def seen(self, user_ids: Collection[UserId]) -> set[UserId]:
        return await self._transactions.read(_seen, list(user_ids), self._own_users)

    def replace(self, tx: Transaction, user_id: UserId, devices: RemoteDeviceList) -> None:
        tx.execute(
            """INSERT INTO remote_device_lists (user_id, stream_id, is_valid) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO UPDATE SET
                stream_id = excluded.stream_id, is_valid = excluded.is_valid""",
            (user_id, devices.stream_id, True),
        )
        tx.execute("DELETE FROM remote_devices WHERE user_id = ?", (user_id,))
        _put_devices(tx, devices.devices)
        self.put_cross_signing(tx, user_id, devices.cross_signing)

    def advance(
        self,
        tx: Transaction,
        user_id: UserId,
        stream_id: int,
        changed: RemoteDevice | None,
        deleted: DeviceId | None,
    ) -> None:
        tx.execute(
            "UPDATE remote_device_lists SET stream_id = ? WHERE user_id = ?", (stream_id, user_id)
        )
        if changed is not None:
            _put_devices(tx, [changed])
        if deleted is not None:
            tx.execute(
                "DELETE FROM remote_devices WHERE user_id = ? AND device_id = ?",
                (user_id, deleted),
            )

    def put_cross_signing(
        self, tx: Transaction, user_id: UserId, keys: Mapping[str, bytes]
    ) -> None:
        tx.execute("DELETE FROM remote_cross_signing_keys WHERE user_id = ?", (user_id,))
        tx.insert(
            """INSERT INTO remote_cross_signing_keys (user_id, usage, key)
            SELECT l.user_id, v.column2, v.column3 FROM (VALUES""",
            [(user_id, usage, key) for usage, key in keys.items()],
            ") AS v JOIN remote_device_lists l ON l.user_id = v.column1",
        )

    def invalidate(self, tx: Transaction, user_id: UserId) -> None:
        tx.execute(
            "UPDATE remote_device_lists SET is_valid = ? WHERE user_id = ?", (False, user_id)
        )

    async def forget_unseen(self, user_ids: Collection[UserId]) -> None:
        await self._transactions.write(_forget_unseen, list(user_ids), self._own_users)


def _standing(tx: Transaction, user_id: UserId) -> ListStanding | None:
    row = tx.one(
        "SELECT stream_id, is_valid FROM remote_device_lists WHERE user_id = ?", (user_id,)
    )
    return None if row is None else ListStanding(row[0], bool(row[1]))


def _valid(tx: Transaction, user_ids: list[UserId]) -> dict[UserId, RemoteDeviceList]:
    rows = tx.all(
        """SELECT user_id, stream_id FROM remote_device_lists
        WHERE user_id = ANY(?) AND is_valid = ?""",
        (user_ids, True),
    )
    streams = {UserId(user_id): stream_id for user_id, stream_id in rows}
    devices: dict[str, list[RemoteDevice]] = defaultdict(list)
    for row in tx.all(
        "SELECT user_id, device_id, keys, display_name FROM remote_devices WHERE user_id = ANY(?)",
        (list(streams),),
    ):
        devices[row[0]].append(RemoteDevice(*row))
    keys: dict[str, dict[str, bytes]] = defaultdict(dict)
    for user_id, usage, key in tx.all(
        "SELECT user_id, usage, key FROM remote_cross_signing_keys WHERE user_id = ANY(?)",
        (list(streams),),
    ):
        keys[user_id][usage] = key
    return {
        user_id: RemoteDeviceList(stream_id, devices[user_id], keys[user_id])
        for user_id, stream_id in streams.items()
    }


def _seen(tx: Transaction, user_ids: list[UserId], own_users: str) -> set[UserId]:
    rows = tx.all(
        """SELECT DISTINCT m.user_id FROM memberships m
        WHERE m.user_id = ANY(?) AND m.membership = 'join' AND EXISTS (
            SELECT 1 FROM memberships o WHERE o.room_nid = m.room_nid
                AND o.membership = 'join' AND o.user_id LIKE ?
        )""",
        (user_ids, own_users),
    )
    return {UserId(row[0]) for row in rows}


def _forget_unseen(tx: Transaction, user_ids: list[UserId], own_users: str) -> None:
    unseen = sorted(set(user_ids) - _seen(tx, user_ids, own_users))
    for table in _TABLES:
        tx.execute(f"DELETE FROM {table} WHERE user_id = ANY(?)", (unseen,))


def _put_devices(tx: Transaction, devices: Collection[RemoteDevice]) -> None:
    tx.insert(
        "INSERT INTO remote_devices (user_id, device_id, keys, display_name) VALUES",
        [(d.user_id, d.device_id, d.keys, d.display_name) for d in devices],
        """ON CONFLICT (user_id, device_id) DO UPDATE SET
            keys = excluded.keys, display_name = excluded.display_name""",
    )
