"""Sessions to store."""

from __future__ import annotations

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.session_tokens import NewSession, NewToken, TokenKey


def new_session(
    user_id: UserId,
    device_id: str,
    access: str,
    refresh: str | None = None,
    *,
    expires_ts: int | None = None,
    display_name: str | None = None,
    created_ts: int = 1_000,
) -> NewSession:
    """A session with the given tokens, as for a device ID that the client chose."""
    return NewSession(
        user_id=user_id,
        device_id=DeviceId(device_id),
        is_new_device=False,
        display_name=display_name,
        created_ts=created_ts,
        access=NewToken(TokenKey.of(access), expires_ts),
        refresh=None if refresh is None else NewToken(TokenKey.of(refresh), None),
    )
