"""Registration by whoever knows a secret of the server, as administrators' tools do it.

``/_synapse/admin/v1/register``, the de-facto interface: the tool asks for a nonce, and proves with
an HMAC-SHA1 over it and over the account that it knows the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

import attrs

from homeserver.domain.errors import Forbidden, InvalidParam
from homeserver.ports.clock import Clock
from homeserver.services.accounts.accounts import Accounts, Registration
from homeserver.services.accounts.session_tokens import IssuedSession, SessionRequest

NONCE_LIFETIME_MS: Final = 60_000

_TIME_DIGITS: Final = 12
_RANDOM_BYTES: Final = 16
_HEAD_DIGITS: Final = _TIME_DIGITS + 2 * _RANDOM_BYTES


@attrs.frozen(slots=True)
class AdminRegistrationRequest:
    """An account to make, and the proof ``mac`` in hexadecimal digits."""

    nonce: str
    username: str
    password: str
    mac: str
    is_admin: bool = False
    user_type: str | None = None
    display_name: str | None = None

    def expected_mac(self, secret: bytes) -> str:
        """The proof that somebody gives who knows the secret."""
        parts = [self.nonce, self.username, self.password, "admin" if self.is_admin else "notadmin"]
        if self.user_type is not None:
            parts.append(self.user_type)
        return hmac.new(secret, "\0".join(parts).encode(), hashlib.sha1).hexdigest()


class AdminRegistration:
    """Makes accounts, administrators' too, whether or not registration is open.

    What passwords are good enough is for whoever knows the secret to say.

    A nonce holds the time it was made and is signed, so every worker knows it. It may be used again
    while it is valid, but only for the same account, which then exists.
    """

    def __init__(self, accounts: Accounts, clock: Clock, secret: str) -> None:
        self._accounts = accounts
        self._clock = clock
        self._secret = secret.encode()

    def new_nonce(self) -> str:
        """A nonce that is valid for a minute."""
        head = f"{self._clock.now_ms():0{_TIME_DIGITS}x}{secrets.token_hex(_RANDOM_BYTES)}"
        return self._signed(head)

    async def register(self, request: AdminRegistrationRequest) -> IssuedSession:
        """Make an account with a session.

        Raises InvalidParam for a nonce that is unknown or too old, Forbidden for a wrong proof,
        InvalidUsername and UserInUse.
        """
        self._check_nonce(request.nonce)
        if not request.password:
            raise InvalidParam("The password is empty")
        if "\0" in f"{request.username}{request.password}{request.user_type}":
            raise InvalidParam("NUL separates what is proved, so it must not be part of that")
        expected = request.expected_mac(self._secret)
        if not hmac.compare_digest(expected.encode(), request.mac.lower().encode()):
            raise Forbidden("HMAC incorrect")
        registration = Registration(
            self._accounts.user_id_for(request.username),
            request.password,
            SessionRequest(),
            is_admin=request.is_admin,
            user_type=request.user_type,
            display_name=request.display_name,
        )
        issued = await self._accounts.register(registration)
        assert issued is not None, "a session was asked for"
        return issued

    def _check_nonce(self, nonce: str) -> None:
        head = nonce[:_HEAD_DIGITS]
        if not hmac.compare_digest(self._signed(head).encode(), nonce.encode()):
            raise InvalidParam("Unrecognised nonce")
        age = self._clock.now_ms() - int(head[:_TIME_DIGITS], 16)
        if age >= NONCE_LIFETIME_MS:
            raise InvalidParam("The nonce has expired")

    def _signed(self, head: str) -> str:
        # SHA-256 here, so that nothing signed for a nonce can pass as the proof of an account.
        return head + hmac.new(self._secret, head.encode(), hashlib.sha256).hexdigest()[:32]
