"""Tokens with which a logged-in user lets another client of theirs log in.

Client-server API, ``POST /login/get_token`` and "Login" with ``m.login.token``.
"""

from __future__ import annotations

from homeserver.domain.errors import LoginFailed
from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.accounts import Account, AccountStore
from homeserver.ports.accounts.login_tokens import LoginTokenStore
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.clock import Clock
from homeserver.services.accounts.session_tokens import LOGIN_PREFIX, new_token


class LoginTokens:
    """Makes and redeems tokens that log in once, within ``lifetime_ms``."""

    def __init__(
        self,
        tokens: LoginTokenStore,
        accounts: AccountStore,
        clock: Clock,
        lifetime_ms: int = 120_000,
    ) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._clock = clock
        self.lifetime_ms = lifetime_ms

    async def issue(self, user_id: UserId) -> str:
        """A new token for a user."""
        token, now_ms = new_token(LOGIN_PREFIX), self._clock.now_ms()
        await self._tokens.add(TokenKey.of(token), user_id, now_ms + self.lifetime_ms, now_ms)
        return token

    async def redeem(self, token: str) -> Account:
        """The account a token logs in to; it works only once. Raises LoginFailed."""
        user_id = await self._tokens.redeem(TokenKey.of(token), self._clock.now_ms())
        account = None if user_id is None else await self._accounts.account(user_id)
        if account is None:
            raise LoginFailed("The login token is not valid")
        return account
