"""Tokens as storage knows them: by their hashes."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import attrs

from homeserver.domain.identifiers import DeviceId, UserId


@attrs.frozen(slots=True)
class TokenKey:
    """What finds and proves a token without telling it.

    A token is long and random, so one round of SHA-256 hides it. ``id`` is the start of that, as an
    integer that every database can use as a key.
    """

    id: int
    digest: bytes

    @classmethod
    def of(cls, token: str) -> TokenKey:
        """The key of a token's text."""
        return _key_of(token)


@lru_cache(maxsize=16_384)
def _key_of(token: str) -> TokenKey:
    # Every request brings one, and nearly always one that came a moment ago.
    digest = hashlib.sha256(token.encode()).digest()
    return TokenKey(int.from_bytes(digest[:8], "big") >> 1, digest)


@attrs.frozen(slots=True)
class NewToken:
    """A token to store; ``expires_ts`` is None for one that stays valid until it is revoked."""

    key: TokenKey
    expires_ts: int | None


@attrs.frozen(slots=True)
class NewSession:
    """Tokens for a device, which is made if it does not exist.

    ``is_new_device`` says that nobody can have used the device ID before, as the server has just
    made it up. ``display_name`` is for a new device only.
    """

    user_id: UserId
    device_id: DeviceId
    is_new_device: bool
    display_name: str | None
    created_ts: int
    access: NewToken
    refresh: NewToken | None
