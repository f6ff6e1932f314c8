"""What the floors above ask of storage when devices or users are gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.to_device import DeviceAddress


class DeviceTraceStore(Protocol):
    """Everything that is kept for devices beside the devices themselves."""

    def has_keys(self, tx: Transaction, user_id: UserId, device_ids: Sequence[DeviceId]) -> bool:
        """Whether any of these devices has uploaded keys."""
        ...

    def forget_devices(
        self, tx: Transaction, user_id: UserId, device_ids: Sequence[DeviceId]
    ) -> None:
        """Delete the keys of devices and the messages for them."""
        ...

    def forget_user(self, tx: Transaction, user_id: UserId) -> None:
        """Delete the cross-signing keys, signatures and backups of a user."""
        ...

    async def orphans(self) -> list[DeviceAddress]:
        """Devices that are gone and have left something behind."""
        ...
