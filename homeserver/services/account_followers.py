"""What follows from what happens to accounts and devices."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.services.profiles import Profiles


class AccountFollowers:
    """See :class:`homeserver.ports.accounts.AccountEvents`: a profile begins and ends with its
    account."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    async def user_registered(self, user_id: UserId, display_name: str | None) -> None:
        """Give the profile the name that was chosen at the registration."""
        if display_name is not None:
            await self._profiles.begin(user_id, display_name)

    async def user_deactivated(self, user_id: UserId, *, erase: bool) -> None:
        """Remove the profile when that was asked for."""
        if erase:
            await self._profiles.erase(user_id)

    async def device_changed(self, user_id: UserId, device_id: DeviceId) -> None:
        """Nobody keeps anything of a device elsewhere."""

    async def device_deleted(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """Nobody keeps anything of a device elsewhere."""

    async def sessions_ended(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """Nobody keeps anything of a session elsewhere."""
