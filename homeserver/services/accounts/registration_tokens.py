"""Tokens without which nobody may register.

Client-server API, "Token-authenticated registration".
"""

from __future__ import annotations

import secrets

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import is_opaque_identifier
from homeserver.ports.accounts.registration_tokens import RegistrationToken, RegistrationTokenStore
from homeserver.ports.clock import Clock
from homeserver.services.accounts.uia_session_ids import UiaSession

MAX_LENGTH = 64
"""The longest registration token, in characters."""

_RANDOM_BYTES = 12


class RegistrationTokens:
    """Makes registration tokens and tells which are valid."""

    def __init__(self, tokens: RegistrationTokenStore, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    async def create(
        self,
        token: str | None = None,
        *,
        uses_allowed: int | None = None,
        expires_ts: int | None = None,
    ) -> RegistrationToken:
        """A new token, random when none is given. Raises InvalidParam, also when it exists."""
        text = token if token is not None else secrets.token_urlsafe(_RANDOM_BYTES)
        if not _is_well_formed(text):
            raise InvalidParam(
                f"A registration token has 1 to {MAX_LENGTH} of the characters 0-9 A-Z a-z . _ ~ -"
            )
        made = RegistrationToken(text, uses_allowed, expires_ts)
        if not await self._tokens.add(made, self._clock.now_ms()):
            raise InvalidParam("This registration token exists already")
        return made

    async def is_valid(self, token: str) -> bool:
        """Whether somebody could register with the token now."""
        return _is_well_formed(token) and await self._tokens.is_valid(token, self._clock.now_ms())

    async def reserve(self, token: str, session: UiaSession) -> bool:
        """Set a use of the token aside while a session lasts; False when none is left."""
        return _is_well_formed(token) and await self._tokens.reserve(
            token, session.id, session.expires_ts, self._clock.now_ms()
        )


def _is_well_formed(token: str) -> bool:
    return len(token) <= MAX_LENGTH and is_opaque_identifier(token)
