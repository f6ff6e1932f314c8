"""The devices of this server's users as others are told of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection

from homeserver.domain.cross_signing import MASTER, SELF_SIGNING
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.federation.outbound import (
    DeviceChange,
    KeyChanges,
    OwnDevice,
    OwnDeviceList,
    SigningKeyChange,
    Window,
)
from homeserver.ports.rooms.events import FOREVER
from storage.federation.outbound import window_rows

# Whether a user of this server is in a room with another server.
_SHARES_ROOM = f"""EXISTS (
    SELECT 1 FROM memberships m JOIN room_servers s ON s.room_nid = m.room_nid
        AND s.server_name = ? AND s.until_position = {FOREVER}
    WHERE m.user_id = c.user_id AND m.membership = 'join')"""


class SqlDeviceListStreamStore:
    """See :class:`homeserver.ports.federation.outbound.DeviceListStreamStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def record(
        self, user_id: UserId, shard: int, position: int, *, announce: bool
    ) -> KeyChanges:
        return await self._transactions.write(_record, user_id, shard, position, announce)

    async def missed(self, server: ServerName, window: Window) -> KeyChanges:
        return await self._transactions.read(_missed, server, window)

    async def devices(self, user_ids: Collection[UserId]) -> list[OwnDevice]:
        return await self._transactions.read(_devices, list(user_ids))

    async def cross_signing(self, user_ids: Collection[UserId]) -> dict[UserId, dict[str, bytes]]:
        return await self._transactions.read(_cross_signing, list(user_ids))

    async def device_list(self, user_id: UserId) -> OwnDeviceList:
        return await self._transactions.read(_device_list, user_id)


def _record(
    tx: Transaction, user_id: UserId, shard: int, position: int, announce: bool
) -> KeyChanges:
    last = 0
    told: dict[str, bytes | None] = {}
    for stream_id, device_id, digest in tx.all(
        "SELECT stream_id, device_id, digest FROM device_list_stream WHERE user_id = ?"
        " ORDER BY stream_id",
        (user_id,),
    ):
        last, told[device_id] = stream_id, digest
    now = {device.device_id: _digest(device) for device in _devices(tx, [user_id])}
    gone = [name for name, digest in told.items() if digest is not None and name not in now]
    changed = [name for name, digest in now.items() if announce or told.get(name) != digest]
    rows = [
        (user_id, number, device_id, shard, position, now.get(device_id))
        for number, device_id in enumerate(sorted([*gone, *changed]), last + 1)
    ]
    tx.insert(
        "INSERT INTO device_list_stream"
        " (user_id, stream_id, device_id, shard, position, digest) VALUES",
        rows,
    )
    return KeyChanges(
        [DeviceChange(*row[:5]) for row in rows],
        _record_signing_keys(tx, user_id, shard, position, announce),
    )


def _record_signing_keys(
    tx: Transaction, user_id: UserId, shard: int, position: int, announce: bool
) -> list[SigningKeyChange]:
    keys = _cross_signing(tx, [user_id]).get(user_id, {})
    digest = hashlib.sha256(b"\0".join(keys[usage] for usage in sorted(keys))).digest()
    known = tx.one("SELECT digest FROM signing_key_changes WHERE user_id = ?", (user_id,))
    if not keys or (known is not None and known[0] == digest and not announce):
        return []
    tx.execute(
        """INSERT INTO signing_key_changes (user_id, shard, position, digest) VALUES (?, ?, ?, ?)
        ON CONFLICT (user_id) DO UPDATE SET
            position = excluded.position, digest = excluded.digest""",
        (user_id, shard, position, digest),
    )
    return [SigningKeyChange(user_id, shard, position)]


def _digest(device: OwnDevice) -> bytes:
    name = device.display_name
    return hashlib.sha256(device.keys + (b"" if name is None else b"\0" + name.encode())).digest()


def _missed(tx: Transaction, server: ServerName, window: Window) -> KeyChanges:
    rows, places = window_rows(window)
    inside = f"""JOIN {rows} AS w ON w.column1 = c.shard
        AND c.position > w.column2 AND c.position <= w.column3 WHERE {_SHARES_ROOM}"""
    devices = tx.all(
        f"""SELECT c.user_id, c.stream_id, c.device_id, c.shard, c.position
        FROM device_list_stream c {inside} ORDER BY c.position, c.stream_id""",
        (*places, server),
    )
    signing_keys = tx.all(
        f"""SELECT c.user_id, c.shard, c.position FROM signing_key_changes c {inside}
        ORDER BY c.position""",
        (*places, server),
    )
    return KeyChanges(
        [DeviceChange(*row) for row in devices], [SigningKeyChange(*row) for row in signing_keys]
    )


def _devices(tx: Transaction, user_ids: list[UserId]) -> list[OwnDevice]:
    rows = tx.all(
        """SELECT k.user_id, k.device_id, k.keys, d.display_name FROM device_keys k
        JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id
        WHERE k.user_id = ANY(?)""",
        (user_ids,),
    )
    return [OwnDevice(*row) for row in rows]


def _cross_signing(tx: Transaction, user_ids: list[UserId]) -> dict[UserId, dict[str, bytes]]:
    found: dict[UserId, dict[str, bytes]] = defaultdict(dict)
    for user_id, usage, key in tx.all(
        "SELECT user_id, usage, key FROM cross_signing_keys"
        " WHERE user_id = ANY(?) AND usage = ANY(?)",
        (user_ids, [MASTER, SELF_SIGNING]),
    ):
        found[UserId(user_id)][usage] = key
    return dict(found)


def _device_list(tx: Transaction, user_id: UserId) -> OwnDeviceList:
    last = tx.one("SELECT max(stream_id) FROM device_list_stream WHERE user_id = ?", (user_id,))
    return OwnDeviceList(
        stream_id=(last[0] if last is not None else None) or 0,
        devices=_devices(tx, [user_id]),
        cross_signing=_cross_signing(tx, [user_id]).get(user_id, {}),
    )
