"""Making the tokens of a session.

Client-server API, "Relationship between access tokens and devices" and "Refreshing access tokens".
"""

from __future__ import annotations

import secrets
from string import ascii_uppercase

import attrs

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import DeviceId, UserId, parse_device_id
from homeserver.ports.accounts.session_tokens import NewSession, NewToken, TokenKey

ACCESS_PREFIX = "mya_"
REFRESH_PREFIX = "myr_"
LOGIN_PREFIX = "myl_"

MAX_DISPLAY_NAME = 255
"""The longest display name of a device, in characters."""

_TOKEN_BYTES = 32
_DEVICE_ID_LENGTH = 10


@attrs.frozen(slots=True)
class SessionLifetimes:
    """How long tokens are valid, in milliseconds.

    ``access_ms`` is for clients that use refresh tokens; the access tokens of others stay valid
    until they log out, as do refresh tokens where ``refresh_ms`` is None.
    """

    access_ms: int = 3_600_000
    refresh_ms: int | None = None


@attrs.frozen(slots=True)
class SessionRequest:
    """What a client wants for its session when it registers or logs in.

    ``device_id`` is None for a new device, whose ID the server then makes up.
    """

    device_id: DeviceId | None = None
    display_name: str | None = None
    with_refresh_token: bool = False


@attrs.frozen(slots=True)
class IssuedSession:
    """Tokens for a device. ``row`` is what is stored; the texts are told to the client alone."""

    row: NewSession
    access_token: str
    refresh_token: str | None
    expires_in_ms: int | None

    @property
    def user_id(self) -> UserId:
        """The user whose session it is."""
        return self.row.user_id

    @property
    def device_id(self) -> DeviceId:
        """The device that the tokens belong to."""
        return self.row.device_id


def parse_session_request(
    device_id: str | None, display_name: str | None, with_refresh_token: bool
) -> SessionRequest:
    """What a client asked for, checked. Raises InvalidParam."""
    if display_name is not None:
        check_display_name(display_name)
    parsed = None if device_id is None else parse_device_id(device_id)
    return SessionRequest(parsed, display_name, with_refresh_token)


def check_display_name(display_name: str) -> None:
    """Raises InvalidParam for text that cannot be the display name of a device."""
    if len(display_name) > MAX_DISPLAY_NAME or "\0" in display_name:
        raise InvalidParam(
            f"The display name of a device has at most {MAX_DISPLAY_NAME} characters, none of them "
            "NUL"
        )


def new_token(prefix: str) -> str:
    """A token that cannot be guessed; the prefix tells people what they have found."""
    return prefix + secrets.token_urlsafe(_TOKEN_BYTES)


def issue_session(
    user_id: UserId, request: SessionRequest, lifetimes: SessionLifetimes, now_ms: int
) -> IssuedSession:
    """Make the tokens of a session; whoever calls this stores the row."""
    device_id = request.device_id
    access_token, refresh_token, expires_in_ms = new_token(ACCESS_PREFIX), None, None
    access = NewToken(TokenKey.of(access_token), None)
    refresh = None
    if request.with_refresh_token:
        expires_in_ms = lifetimes.access_ms
        access = attrs.evolve(access, expires_ts=now_ms + lifetimes.access_ms)
        refresh_token = new_token(REFRESH_PREFIX)
        until = None if lifetimes.refresh_ms is None else now_ms + lifetimes.refresh_ms
        refresh = NewToken(TokenKey.of(refresh_token), until)
    row = NewSession(
        user_id=user_id,
        device_id=device_id if device_id is not None else _new_device_id(),
        is_new_device=device_id is None,
        display_name=request.display_name,
        created_ts=now_ms,
        access=access,
        refresh=refresh,
    )
    return IssuedSession(row, access_token, refresh_token, expires_in_ms)


def _new_device_id() -> DeviceId:
    return DeviceId("".join(secrets.choice(ascii_uppercase) for _ in range(_DEVICE_ID_LENGTH)))
