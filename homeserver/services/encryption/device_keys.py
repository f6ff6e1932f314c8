"""Uploading the keys of a device.

Client-server API, "Uploading keys".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.device_keys import (
    ClaimableKey,
    check_device_keys,
    parse_fallback_keys,
    parse_one_time_keys,
    updated_device_keys,
)
from homeserver.domain.errors import Forbidden, InvalidParam, Unknown
from homeserver.domain.requester import Requester
from homeserver.log.entries import OneTimeKeysEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.clock import Clock
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.cross_signing import CrossSigningStore
from homeserver.ports.encryption.device_keys import DeviceKeyStore
from homeserver.ports.encryption.to_device import DeviceAddress
from homeserver.services.encryption.device_list_changes import DeviceListChanges

MAX_KEYS_KEPT: Final = 5_000
"""How many one-time keys a device can have on the server."""

CLAIMS_REMEMBERED_MS: Final = 7 * 86_400_000
"""For how long an upload that is repeated does not bring back keys that were claimed."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class OneTimeKeyExists(Unknown):
    """Another key was uploaded under this name. Clients know the error by its text."""

    def __init__(self, stored: ClaimableKey, uploaded: ClaimableKey) -> None:
        super().__init__(
            f"One time key {stored.algorithm}:{stored.key_id} already exists. "
            f"Old key: {stored.key.decode()}; new key: {uploaded.key.decode()}"
        )


@attrs.frozen(slots=True)
class KeyUpload:
    """What a device uploads; each part may be absent."""

    device_keys: JsonObject | None
    one_time_keys: Mapping[str, Any]
    fallback_keys: Mapping[str, Any]


class DeviceKeys:
    """Stores the keys of devices."""

    def __init__(
        self,
        store: DeviceKeyStore,
        cross_signing: CrossSigningStore,
        changes: DeviceListChanges,
        log: Log,
        clock: Clock,
    ) -> None:
        self._store = store
        self._cross_signing = cross_signing
        self._changes = changes
        self._log = log
        self._clock = clock

    async def upload(self, requester: Requester, upload: KeyUpload) -> Mapping[str, int]:
        """Store keys of the requesting device; how many one-time keys it has, by algorithm.

        Raises InvalidParam, BadJson and TooLarge for keys that cannot be stored, OneTimeKeyExists
        for a key under a name that another one has, Forbidden for a device whose ID is the name
        of a cross-signing key.
        """
        if requester.device_id is None:
            raise InvalidParam("The access token does not belong to a device")
        address = (requester.user_id, requester.device_id)
        device_keys = None
        if upload.device_keys is not None:
            device_keys = check_device_keys(upload.device_keys, *address)
        one_time_keys = parse_one_time_keys(upload.one_time_keys)
        fallback_keys = parse_fallback_keys(upload.fallback_keys)
        if device_keys is not None:
            await self._put_device_keys(address, device_keys)
        if not one_time_keys and not fallback_keys:
            return await self._log.read(self._store.counts, address)
        return await self._add_keys(address, one_time_keys, fallback_keys)

    async def _put_device_keys(self, address: DeviceAddress, uploaded: JsonObject) -> None:
        user_id, device_id = address
        own = await self._cross_signing.keys([user_id], viewer=user_id)
        if any(row.public_key == device_id for row in own):
            raise Forbidden("The ID of the device is that of a cross-signing key")
        stored = await self._log.read(self._store.read_device_keys, address)
        if stored is not None and updated_device_keys(_decode(stored), uploaded) == _decode(stored):
            return

        def work(tx: Transaction, position: int) -> None:
            before = self._store.read_device_keys(tx, address)
            keys = updated_device_keys(_decode(before) if before is not None else None, uploaded)
            self._store.put_device_keys(tx, address, encode_canonical_json(keys))

        await self._changes.write(user_id, work)

    async def _add_keys(
        self,
        address: DeviceAddress,
        one_time_keys: Sequence[ClaimableKey],
        fallback_keys: Sequence[ClaimableKey],
    ) -> Mapping[str, int]:
        store = self._store
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> Mapping[str, int] | ClaimableKey | None:
            others = store.other_one_time_keys(tx, address, one_time_keys)
            if others:
                return others[0]
            counts = store.counts(tx, address)
            if sum(counts.values()) + len(one_time_keys) > MAX_KEYS_KEPT:
                return None
            store.add_one_time_keys(
                tx, address, one_time_keys, now_ms, now_ms - CLAIMS_REMEMBERED_MS
            )
            store.put_fallback_keys(tx, address, fallback_keys)
            return store.counts(tx, address)

        shard = shard_of_user(address[0], self._log.shards)
        position = self._log.next_position(shard)
        result = await self._log.append(OneTimeKeysEntry(shard, position, (address,)), work)
        if isinstance(result, ClaimableKey):
            raise OneTimeKeyExists(result, _named_like(result, one_time_keys))
        if result is None:
            raise InvalidParam(f"A device can have at most {MAX_KEYS_KEPT} one-time keys")
        return result


def _named_like(other: ClaimableKey, keys: Sequence[ClaimableKey]) -> ClaimableKey:
    named = (other.algorithm, other.key_id)
    return next(key for key in keys if (key.algorithm, key.key_id) == named)
