"""Locking and suspending accounts, and looking up where they are used.

Client-server API, "Account moderation" and "Server administration".
"""

from __future__ import annotations

from homeserver.domain.errors import Forbidden, InvalidParam, NotFound
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.domain.requester import Requester
from homeserver.ports.accounts.accounts import Account, AccountStore
from homeserver.ports.accounts.devices import Device, DeviceStore
from homeserver.services.accounts.token_cache import TokenCache


class AccountModeration:
    """What server administrators may do to accounts."""

    def __init__(
        self,
        accounts: AccountStore,
        devices: DeviceStore,
        cache: TokenCache,
        server_name: ServerName,
    ) -> None:
        self._accounts = accounts
        self._devices = devices
        self._cache = cache
        self._server_name = server_name

    async def account(self, requester: Requester, user_id: UserId) -> Account:
        """An account that the requester may moderate.

        Raises Forbidden when they are no administrator or the account is another's, InvalidParam
        for users of other servers, NotFound for users that do not exist or are deactivated.
        """
        if not requester.is_admin:
            raise Forbidden("You are not an administrator of this server")
        if server_name_of(user_id) != self._server_name:
            raise InvalidParam("The user does not belong to this server")
        account = await self._accounts.account(user_id)
        if account is None or account.is_deactivated:
            raise NotFound("There is no such user")
        if account.is_admin and user_id != requester.user_id:
            raise Forbidden("The user is an administrator of this server")
        return account

    async def set_locked(self, requester: Requester, user_id: UserId, locked: bool) -> None:
        """Lock or unlock an account. Raises what `account` raises; Forbidden for one's own."""
        await self._require_other(requester, user_id)
        await self._accounts.set_locked(user_id, locked)
        self._cache.drop_user(user_id)

    async def set_suspended(self, requester: Requester, user_id: UserId, suspended: bool) -> None:
        """Suspend an account or end that. Raises what `account` raises; Forbidden for one's own."""
        await self._require_other(requester, user_id)
        await self._accounts.set_suspended(user_id, suspended)
        self._cache.drop_user(user_id)

    async def whois(self, requester: Requester, user_id: UserId) -> list[Device]:
        """The devices of a user, for the user and for administrators.

        Raises Forbidden for others, NotFound when there is no such user here.
        """
        if user_id != requester.user_id:
            if not requester.is_admin:
                raise Forbidden("You may look up only yourself")
            if await self._accounts.account(user_id) is None:
                raise NotFound("There is no such user")
        return await self._devices.devices(user_id)

    async def _require_other(self, requester: Requester, user_id: UserId) -> None:
        await self.account(requester, user_id)
        if user_id == requester.user_id:
            raise Forbidden("You cannot do this to yourself")
