"""What the floors above ask of storage about devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import DeviceId, UserId


@attrs.frozen(slots=True)
class Device:
    """A device of a user, and when and from where it was last seen (some minutes behind)."""

    device_id: DeviceId
    display_name: str | None
    last_seen_ts: int | None
    last_seen_ip: str | None
    last_seen_user_agent: str | None


@attrs.frozen(slots=True)
class DeviceSeen:
    """A device was seen."""

    user_id: UserId
    device_id: DeviceId
    ts: int
    ip: str
    user_agent: str


class DeviceStore(Protocol):
    """Devices; opening a session makes them (:mod:`homeserver.ports.accounts.sessions`)."""

    async def devices(self, user_id: UserId) -> list[Device]:
        """All devices of a user, in the order they were made."""
        ...

    async def device(self, user_id: UserId, device_id: DeviceId) -> Device | None:
        """One device of a user."""
        ...

    async def rename(self, user_id: UserId, device_id: DeviceId, display_name: str) -> bool:
        """Set a device's display name; False when there is no such device."""
        ...

    async def delete(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> list[DeviceId]:
        """Delete devices with all their tokens. The devices among them that existed."""
        ...

    async def delete_all(self, user_id: UserId, keep: DeviceId | None) -> list[DeviceId]:
        """Delete a user's devices and tokens of every kind, but for those of one device.

        Returns the devices that existed.
        """
        ...

    async def seen(self, sightings: Sequence[DeviceSeen]) -> None:
        """Note when devices were last seen; those that are gone stay gone."""
        ...
