"""The keys that users publish, as they are written into answers: remembered until they change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from homeserver.domain.identifiers import UserId
from homeserver.ports.encryption.cross_signing import CrossSigningRow, CrossSigningStore
from homeserver.ports.encryption.device_keys import DeviceKeysRow, DeviceKeyStore
from homeserver.services.encryption.device_list_changes import DeviceListChanges

CAPACITY: Final = 64 * 2**20
"""How many bytes of keys are remembered."""

USER_BYTES: Final = 500
"""What a user takes who has no keys, about."""

_encode = msgspec.json.Encoder().encode


class UserKeys(msgspec.Struct, frozen=True, gc=False):
    """What a user publishes.

    ``name`` is the JSON of the user ID. ``devices`` has a member of a JSON object for each device,
    by its ID; ``cross_signing`` is by usage.
    """

    name: bytes
    devices: Mapping[str, bytes]
    cross_signing: Mapping[str, CrossSigningRow]

    @property
    def size(self) -> int:
        """The bytes of the keys, about."""
        devices = sum(map(len, self.devices.values()))
        return USER_BYTES + devices + sum(len(row.key) for row in self.cross_signing.values())


class PublishedKeys:
    """Reads the keys of this server's users."""

    def __init__(
        self,
        devices: DeviceKeyStore,
        cross_signing: CrossSigningStore,
        changes: DeviceListChanges,
        capacity: int = CAPACITY,
    ) -> None:
        self._devices = devices
        self._cross_signing = cross_signing
        self._capacity = capacity
        self._remembered: OrderedDict[UserId, UserKeys] = OrderedDict()
        self._size = 0
        self._changes = 0
        changes.follow(self._forget)

    async def of_users(self, user_ids: Iterable[UserId]) -> dict[UserId, UserKeys]:
        """The keys of users; those that are not remembered are read in two queries."""
        remembered = self._remembered
        found = {user_id: remembered.get(user_id) for user_id in user_ids}
        missing = [user_id for user_id, keys in found.items() if keys is None]
        read = await self._read(missing) if missing else {}
        return {user_id: keys or read[user_id] for user_id, keys in found.items()}

    async def _read(self, user_ids: list[UserId]) -> dict[UserId, UserKeys]:
        changes = self._changes
        devices: dict[UserId, dict[str, bytes]] = {user_id: {} for user_id in user_ids}
        cross_signing: dict[UserId, dict[str, CrossSigningRow]] = {
            user_id: {} for user_id in user_ids
        }
        for row in await self._devices.device_keys(user_ids):
            devices[row.user_id][row.device_id] = _device_member(row)
        for key in await self._cross_signing.published(user_ids):
            cross_signing[key.user_id][key.usage] = key
        read = {
            user_id: UserKeys(_encode(user_id), devices[user_id], cross_signing[user_id])
            for user_id in user_ids
        }
        if changes == self._changes:
            for user_id, keys in read.items():
                self._remember(user_id, keys)
        return read

    def _remember(self, user_id: UserId, keys: UserKeys) -> None:
        self._drop(user_id)
        self._remembered[user_id] = keys
        self._size += keys.size
        while self._size > self._capacity:
            self._drop(next(iter(self._remembered)))

    def _drop(self, user_id: UserId) -> None:
        keys = self._remembered.pop(user_id, None)
        if keys is not None:
            self._size -= keys.size

    def _forget(self, user_id: UserId) -> None:
        self._changes += 1
        self._drop(user_id)


def _device_member(row: DeviceKeysRow) -> bytes:
    device_id = _encode(row.device_id)
    if row.display_name is None:
        return b"%b:%b" % (device_id, row.keys)
    unsigned = _encode({"device_display_name": row.display_name})
    return b'%b:%b,"unsigned":%b}' % (device_id, row.keys[:-1], unsigned)
