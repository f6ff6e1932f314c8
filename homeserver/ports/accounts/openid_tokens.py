"""What the floors above ask of storage about tokens that tell third parties who a user is."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import UserId


@attrs.frozen(slots=True)
class OpenIdToken:
    """A token, by its SHA-256: of whom, and until when."""

    token_hash: bytes
    user_id: UserId
    expires_ts: int


class OpenIdTokenStore(Protocol):
    """Tokens of the OpenID module."""

    async def add(self, token: OpenIdToken, now_ms: int) -> None:
        """Keep a new token, and forget those that have expired."""
        ...

    async def user_of(self, token_hash: bytes, now_ms: int) -> UserId | None:
        """Whose token it is; None for an unknown or expired one."""
        ...
