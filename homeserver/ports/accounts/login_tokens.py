"""What the floors above ask of storage about tokens for ``m.login.token``."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.session_tokens import TokenKey


class LoginTokenStore(Protocol):
    """Tokens that log in once."""

    async def add(self, key: TokenKey, user_id: UserId, expires_ts: int, now_ms: int) -> None:
        """Store a token, and forget those that have expired by ``now_ms``."""
        ...

    async def redeem(self, key: TokenKey, now_ms: int) -> UserId | None:
        """Whom a token logs in. It is used up by that; None if it is unknown or has expired."""
        ...
