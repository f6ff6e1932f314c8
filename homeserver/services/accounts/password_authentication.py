"""Who somebody is, by their password.

Client-server API, "Password-based". An answer never tells whether an account exists: a wrong name
and a wrong password fail alike and take the same time.
"""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, LoginFailed, MissingParam
from homeserver.domain.identifiers import ServerName
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.routes import RateClass
from homeserver.ports.accounts.accounts import Account, AccountStore
from homeserver.services.accounts.account_standing import require_usable
from homeserver.services.accounts.passwords import Passwords
from homeserver.services.accounts.user_identifiers import identified_user


class PasswordAuthentication:
    """Checks a name and a password."""

    def __init__(
        self,
        accounts: AccountStore,
        passwords: Passwords,
        limiter: RateLimiter,
        server_name: ServerName,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._limiter = limiter
        self._server_name = server_name

    async def authenticate(self, credentials: JsonObject) -> Account:
        """The account that ``identifier`` (or ``user``) and ``password`` open.

        Raises LoginFailed, LimitExceeded after too many failures with this account, UserDeactivated
        and UserLocked for those who know the password, and what `identified_user` raises.
        """
        user_id = identified_user(credentials, self._server_name)
        password = credentials.get("password")
        if password is None:
            raise MissingParam("`password` is missing")
        if not isinstance(password, str):
            raise BadJson("`password` must be a string")
        if user_id is None:
            await self._passwords.verify(None, password)
            raise LoginFailed()
        # An attempt is paid for in advance and given back when the password is right: only failures
        # count, and once they are too many no password is tried.
        self._limiter.spend(RateClass.LOGIN, user_id)
        found = await self._accounts.credentials(user_id)
        password_hash = found.password_hash if found is not None else None
        if not await self._passwords.verify(password_hash, password) or found is None:
            raise LoginFailed()
        self._limiter.spend(RateClass.LOGIN, user_id, -1.0)
        require_usable(found.account)
        if password_hash is not None and self._passwords.needs_rehash(password_hash):
            await self._accounts.set_password_hash(user_id, await self._passwords.hash(password))
        return found.account
