"""What the floors above ask of storage about access and refresh tokens."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import DeviceId
from homeserver.ports.accounts.accounts import Account
from homeserver.ports.accounts.session_tokens import NewSession, TokenKey


@attrs.frozen(slots=True)
class AccessSession:
    """What an access token stands for.

    ``unconfirmed`` is the refresh token that came with it, if that has replaced another which is
    still valid because neither of the two has been used yet.
    """

    token_id: int
    account: Account
    device_id: DeviceId | None
    expires_ts: int | None
    unconfirmed: int | None


@attrs.frozen(slots=True)
class RefreshSession:
    """What a refresh token stands for."""

    token_id: int
    account: Account
    device_id: DeviceId
    expires_ts: int | None


@attrs.frozen(slots=True)
class Opened:
    """A session was opened; ``had_tokens`` says that others of the same device ended by that."""

    is_new_device: bool
    had_tokens: bool


class SessionStore(Protocol):
    """Access and refresh tokens."""

    async def by_access_token(self, key: TokenKey) -> AccessSession | None:
        """The session of an access token, also of one that has expired."""
        ...

    async def by_refresh_token(self, key: TokenKey) -> RefreshSession | None:
        """The session of a refresh token, also of one that has expired."""
        ...

    async def open(self, session: NewSession) -> Opened:
        """Store the tokens of a session; other tokens of the same device are revoked."""
        ...

    async def refresh(self, refresh_token_id: int, session: NewSession) -> list[bytes] | None:
        """Store the tokens that a refresh token is exchanged for.

        The one they replace stays valid until one of them is used; the one that it had replaced
        itself is revoked now. Returns the hashes of the access tokens that were revoked with that,
        or None, and stores nothing, when the refresh token is not there any more.
        """
        ...

    async def confirm(self, refresh_token_id: int) -> list[bytes]:
        """A token of this refresh has been used: revoke those that it replaces.

        Returns the hashes of the access tokens that were revoked.
        """
        ...

    async def revoke(self, token_id: int) -> None:
        """Revoke one access token that belongs to no device."""
        ...
