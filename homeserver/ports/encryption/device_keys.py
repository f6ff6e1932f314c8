"""What the floors above ask of storage about the keys of devices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from homeserver.domain.device_keys import ClaimableKey
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.to_device import DeviceAddress


class DeviceKeysRow(msgspec.Struct, frozen=True, gc=False):
    """The keys of a device that exists, as JSON, and its display name.

    A query has thousands of them, so they are made cheaply.
    """

    user_id: UserId
    device_id: DeviceId
    keys: bytes
    display_name: str | None


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A key that somebody wants of a device."""

    user_id: UserId
    device_id: DeviceId
    algorithm: str


class ClaimedKey(msgspec.Struct, frozen=True, gc=False):
    """A key that was handed out."""

    user_id: UserId
    device_id: DeviceId
    key: ClaimableKey


class DeviceKeyStore(Protocol):
    """Identity keys, one-time keys and fallback keys of devices."""

    async def device_keys(self, user_ids: Collection[UserId]) -> list[DeviceKeysRow]:
        """The keys of all devices of these users, in one query."""
        ...

    def read_device_keys(self, tx: Transaction, address: DeviceAddress) -> bytes | None:
        """The keys of a device."""
        ...

    def put_device_keys(self, tx: Transaction, address: DeviceAddress, keys: bytes) -> None:
        """Store the keys of a device in place of those it had."""
        ...

    def other_one_time_keys(
        self, tx: Transaction, address: DeviceAddress, keys: Sequence[ClaimableKey]
    ) -> list[ClaimableKey]:
        """The stored one-time keys with the names of these that are not the same."""
        ...

    def add_one_time_keys(
        self,
        tx: Transaction,
        address: DeviceAddress,
        keys: Sequence[ClaimableKey],
        now_ms: int,
        claimed_since: int,
    ) -> None:
        """Store one-time keys, but for those that are stored, or were claimed since a time."""
        ...

    def put_fallback_keys(
        self, tx: Transaction, address: DeviceAddress, keys: Sequence[ClaimableKey]
    ) -> None:
        """Store fallback keys in place of those of their algorithms; a new one is unused."""
        ...

    def counts(self, tx: Transaction, address: DeviceAddress) -> Mapping[str, int]:
        """How many one-time keys a device has, by algorithm."""
        ...

    def claim(self, tx: Transaction, claims: Sequence[Claim], now_ms: int) -> list[ClaimedKey]:
        """Hand out keys, each one-time key once and in the order of upload; when a device has none
        left, its fallback key, which then counts as used."""
        ...
