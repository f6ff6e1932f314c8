"""Devices that nobody is logged in to, which receive keys for a user who has no other.

MSC3814. The client uploads such a device with its encrypted private keys; whoever logs in later
gets them, and the messages that came for the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.device_keys import (
    check_device_keys,
    parse_fallback_keys,
    parse_one_time_keys,
)
from homeserver.domain.errors import Forbidden, InvalidParam, NotFound, TooLarge
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.device_traces import DeviceTraceStore
from homeserver.ports.clock import Clock
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.cross_signing import CrossSigningStore
from homeserver.ports.encryption.dehydrated_devices import DehydratedDevice, DehydratedDeviceStore
from homeserver.ports.encryption.device_keys import DeviceKeyStore
from homeserver.ports.encryption.to_device import StoredMessage, ToDeviceStore
from homeserver.services.accounts.session_tokens import check_display_name
from homeserver.services.encryption.device_list_changes import DeviceListChanges

MAX_DATA_BYTES: Final = 262_144

AT_ONCE: Final = 100
"""How many messages a batch has."""


@attrs.frozen(slots=True)
class DehydratedUpload:
    """A dehydrated device as its client uploads it."""

    device_id: DeviceId
    device_data: JsonObject
    display_name: str | None
    device_keys: JsonObject
    one_time_keys: Mapping[str, Any]
    fallback_keys: Mapping[str, Any]


@attrs.frozen(slots=True)
class DehydratedStores:
    """Where the parts of a dehydrated device are kept."""

    devices: DehydratedDeviceStore
    keys: DeviceKeyStore
    cross_signing: CrossSigningStore
    traces: DeviceTraceStore
    to_device: ToDeviceStore


class DehydratedDevices:
    """Makes, reads and deletes dehydrated devices."""

    def __init__(self, stores: DehydratedStores, changes: DeviceListChanges, clock: Clock) -> None:
        self._stores = stores
        self._changes = changes
        self._clock = clock

    async def put(self, user_id: UserId, upload: DehydratedUpload) -> None:
        """Make a dehydrated device in place of the one that the user has.

        Raises InvalidParam, also for the ID of another device, BadJson, TooLarge, Forbidden for
        the name of a cross-signing key.
        """
        stores, address = self._stores, (user_id, upload.device_id)
        device_keys = encode_canonical_json(check_device_keys(upload.device_keys, *address))
        one_time_keys = parse_one_time_keys(upload.one_time_keys)
        fallback_keys = parse_fallback_keys(upload.fallback_keys)
        if upload.display_name is not None:
            check_display_name(upload.display_name)
        data = msgspec.json.encode(upload.device_data)
        if len(data) > MAX_DATA_BYTES:
            raise TooLarge(f"`device_data` has at most {MAX_DATA_BYTES} bytes")
        own = await stores.cross_signing.keys([user_id], viewer=user_id)
        if any(row.public_key == upload.device_id for row in own):
            raise Forbidden("The ID of the device is that of a cross-signing key")
        device, now_ms = DehydratedDevice(upload.device_id, data), self._clock.now_ms()

        def work(tx: Transaction, position: int) -> bool:
            if stores.devices.is_taken(tx, *address):
                return False
            before = stores.devices.read(tx, user_id)
            if before is not None:
                self._remove(tx, user_id, before.device_id)
            stores.devices.put(tx, user_id, device, upload.display_name, now_ms)
            stores.keys.put_device_keys(tx, address, device_keys)
            stores.keys.add_one_time_keys(tx, address, one_time_keys, now_ms, now_ms)
            stores.keys.put_fallback_keys(tx, address, fallback_keys)
            return True

        if not await self._changes.write(user_id, work):
            raise InvalidParam("Another device has this ID")

    async def get(self, user_id: UserId) -> DehydratedDevice:
        """The dehydrated device of a user. Raises NotFound."""
        device = await self._stores.devices.get(user_id)
        if device is None:
            raise NotFound("There is no dehydrated device")
        return device

    async def delete(self, user_id: UserId) -> DeviceId:
        """Delete the dehydrated device of a user; its ID. Raises NotFound."""
        device_id = (await self.get(user_id)).device_id
        await self._changes.write(
            user_id, lambda tx, position: self._remove(tx, user_id, device_id)
        )
        return device_id

    async def messages(
        self, user_id: UserId, device_id: DeviceId, after: str | None
    ) -> list[StoredMessage]:
        """The next messages for the dehydrated device, after the token of a batch, in order.

        They are kept until the device is deleted. Raises Forbidden for another device,
        InvalidParam for a token that is none.
        """
        device = await self._stores.devices.get(user_id)
        if device is None or device.device_id != device_id:
            raise Forbidden("This is not your dehydrated device")
        position = _position(after) if after is not None else 0
        return await self._stores.to_device.messages(
            user_id, device_id, position, 2**63 - 1, AT_ONCE
        )

    def _remove(self, tx: Transaction, user_id: UserId, device_id: DeviceId) -> None:
        self._stores.devices.remove(tx, user_id, device_id)
        self._stores.traces.forget_devices(tx, user_id, [device_id])


def _position(token: str) -> int:
    if token.isascii() and token.isdigit() and len(token) < 19:
        return int(token)
    raise InvalidParam("Unknown token")
