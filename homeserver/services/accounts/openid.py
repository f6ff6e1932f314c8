"""Tokens by which users prove to third parties who they are.

Client-server API, "OpenID"; server-server API, "OpenID".
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

import attrs

from homeserver.domain.errors import UnknownToken
from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.ports.accounts.openid_tokens import OpenIdToken, OpenIdTokenStore
from homeserver.ports.clock import Clock

LIFETIME_SECONDS: Final = 3600


@attrs.frozen(slots=True)
class IssuedToken:
    """A token for a third party, and for how long it is good."""

    token: str
    expires_in_seconds: int


class OpenId:
    """Issues tokens, and tells whose they are."""

    def __init__(self, store: OpenIdTokenStore, accounts: AccountStore, clock: Clock) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock

    async def issue(self, user_id: UserId) -> IssuedToken:
        """A new token of a user."""
        token = secrets.token_urlsafe(24)
        now_ms = self._clock.now_ms()
        expires_ts = now_ms + LIFETIME_SECONDS * 1000
        await self._store.add(OpenIdToken(_hash(token), user_id, expires_ts), now_ms)
        return IssuedToken(token, LIFETIME_SECONDS)

    async def user_of(self, token: str) -> UserId:
        """Whose token it is. Raises UnknownToken for one that is not, or no longer, good."""
        user_id = await self._store.user_of(_hash(token), self._clock.now_ms())
        account = await self._accounts.account(user_id) if user_id is not None else None
        if account is None or account.is_deactivated:
            raise UnknownToken("Access token unknown or expired")
        return account.user_id


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
