"""Closing accounts for good.

Client-server API, "Account deactivation".
"""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.accounts import AccountEvents, AccountStore
from homeserver.ports.accounts.room_departures import RoomDepartures
from homeserver.services.accounts.token_cache import TokenCache


class Deactivation:
    """Closes accounts and takes their users out of all rooms.

    The account is closed in one transaction. Leaving the rooms takes many, so it is remembered as
    due, and `resume` completes what a crash has interrupted.
    """

    def __init__(
        self,
        accounts: AccountStore,
        cache: TokenCache,
        departures: RoomDepartures,
        events: AccountEvents,
    ) -> None:
        self._accounts = accounts
        self._cache = cache
        self._departures = departures
        self._events = events

    async def deactivate(self, user_id: UserId, *, erase: bool) -> None:
        """Close an account: end its sessions, delete its devices, leave its rooms.

        ``erase`` asks to serve the user's events redacted to whoever joins from now on.
        """
        device_ids = await self._accounts.deactivate(user_id, erase=erase)
        self._cache.drop_user(user_id)
        if device_ids:
            await self._events.sessions_ended(user_id, device_ids)
            await self._events.device_deleted(user_id, device_ids)
        await self._events.user_deactivated(user_id, erase=erase)
        await self._leave_rooms(user_id)

    async def resume(self) -> None:
        """Take those out of their rooms who were deactivated when the server was interrupted."""
        for user_id in await self._accounts.must_leave_rooms():
            await self._leave_rooms(user_id)

    async def _leave_rooms(self, user_id: UserId) -> None:
        await self._departures.leave_all(user_id)
        await self._accounts.has_left_rooms(user_id)
