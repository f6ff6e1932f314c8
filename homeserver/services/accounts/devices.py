"""A user's devices, and how the sessions on them end.

Client-server API, "Device management".
"""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import AccountEvents
from homeserver.ports.accounts.devices import Device, DeviceStore
from homeserver.services.accounts.session_tokens import check_display_name
from homeserver.services.accounts.token_cache import TokenCache


class Devices:
    """Lists, renames and deletes devices."""

    def __init__(self, devices: DeviceStore, cache: TokenCache, events: AccountEvents) -> None:
        self._devices = devices
        self._cache = cache
        self._events = events

    async def list(self, user_id: UserId) -> list[Device]:
        """All devices of a user, in the order they were made."""
        return await self._devices.devices(user_id)

    async def get(self, user_id: UserId, device_id: DeviceId) -> Device:
        """One device of a user. Raises NotFound."""
        device = await self._devices.device(user_id, device_id)
        if device is None:
            raise NotFound("You have no such device")
        return device

    async def update(self, user_id: UserId, device_id: DeviceId, display_name: str | None) -> None:
        """Rename a device, unless the name is None. Raises NotFound and InvalidParam."""
        if display_name is None:
            await self.get(user_id, device_id)
            return
        check_display_name(display_name)
        if not await self._devices.rename(user_id, device_id, display_name):
            raise NotFound("You have no such device")
        await self._events.device_changed(user_id, device_id)

    async def delete(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """Delete devices and revoke their tokens. Those that do not exist are passed over."""
        deleted = await self._devices.delete(user_id, device_ids)
        self._cache.drop_devices(user_id, device_ids)
        await self._tell_deleted(user_id, deleted)

    async def delete_all(self, user_id: UserId, keep: DeviceId | None = None) -> None:
        """Delete a user's devices and revoke their tokens, but for one device."""
        deleted = await self._devices.delete_all(user_id, keep)
        self._cache.drop_user(user_id, keep)
        await self._tell_deleted(user_id, deleted)

    async def _tell_deleted(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        if device_ids:
            await self._events.sessions_ended(user_id, device_ids)
            await self._events.device_deleted(user_id, device_ids)
