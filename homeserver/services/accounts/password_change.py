"""Changing a password.

Client-server API, "Password management".
"""

from __future__ import annotations

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.services.accounts.devices import Devices
from homeserver.services.accounts.passwords import Passwords


class PasswordChange:
    """Replaces passwords."""

    def __init__(self, accounts: AccountStore, passwords: Passwords, devices: Devices) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._devices = devices

    def check_policy(self, password: str) -> None:
        """Raises WeakPassword and InvalidParam for what cannot be a new password."""
        self._passwords.check_policy(password)

    async def change(
        self, user_id: UserId, password: str, *, log_out_devices: bool, keep: DeviceId | None
    ) -> None:
        """Set a new password, and log out all devices but ``keep`` if so wanted."""
        await self._accounts.set_password_hash(user_id, await self._passwords.hash(password))
        if log_out_devices:
            await self._devices.delete_all(user_id, keep)
