"""What follows from what happens to accounts and devices."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.services.accounts.device_traces import DeviceTraces
from homeserver.services.personal.profiles import Profiles


class AccountFollowers:
    """A profile begins and ends with its account, keys and messages end with their device.

    See :class:`homeserver.ports.accounts.accounts.AccountEvents`.
    """

    def __init__(self, profiles: Profiles, traces: DeviceTraces) -> None:
        self._profiles = profiles
        self._traces = traces

    async def user_registered(self, user_id: UserId, display_name: str | None) -> None:
        """Give the profile the name that was chosen at the registration."""
        if display_name is not None:
            await self._profiles.begin(user_id, display_name)

    async def user_deactivated(self, user_id: UserId, *, erase: bool) -> None:
        """Remove what the devices leave, and the profile when that was asked for."""
        await self._traces.user_deactivated(user_id)
        if erase:
            await self._profiles.erase(user_id)

    async def device_changed(self, user_id: UserId, device_id: DeviceId) -> None:
        """Tell those who may have the device's keys."""
        await self._traces.device_changed(user_id, device_id)

    async def device_deleted(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """Remove the keys of the devices and the messages that wait for them."""
        await self._traces.device_deleted(user_id, device_ids)

    async def sessions_ended(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """What belongs to a device outlives its access tokens."""
