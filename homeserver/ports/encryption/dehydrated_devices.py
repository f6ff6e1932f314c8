"""What the floors above ask of storage about devices that nobody is logged in to."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction


@attrs.frozen(slots=True)
class DehydratedDevice:
    """A dehydrated device; ``device_data`` is a JSON object with its encrypted private keys."""

    device_id: DeviceId
    device_data: bytes


class DehydratedDeviceStore(Protocol):
    """Dehydrated devices, of which a user has at most one."""

    async def get(self, user_id: UserId) -> DehydratedDevice | None:
        """The dehydrated device of a user."""
        ...

    def read(self, tx: Transaction, user_id: UserId) -> DehydratedDevice | None:
        """The dehydrated device of a user, within the work that changes it."""
        ...

    def put(
        self,
        tx: Transaction,
        user_id: UserId,
        device: DehydratedDevice,
        display_name: str | None,
        created_ts: int,
    ) -> None:
        """Make a user's dehydrated device."""
        ...

    def is_taken(self, tx: Transaction, user_id: UserId, device_id: DeviceId) -> bool:
        """Whether a device of the user that is not dehydrated has this ID."""
        ...

    def remove(self, tx: Transaction, user_id: UserId, device_id: DeviceId) -> None:
        """Remove a dehydrated device from the user's devices."""
        ...
