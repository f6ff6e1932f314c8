"""Storing the tokens of a session and the device they are for."""

from __future__ import annotations

from homeserver.ports.accounts.session_tokens import NewSession
from homeserver.ports.database import Transaction

_DEVICE = """INSERT INTO devices (user_id, device_id, display_name, created_ts)
    VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"""
_ACCESS = """INSERT INTO access_tokens
    (token_id, token_hash, user_id, device_id, refresh_token_id, created_ts, expires_ts)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
_REFRESH = """INSERT INTO refresh_tokens
    (token_id, token_hash, user_id, device_id, replaces_token_id, created_ts, expires_ts)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""


def insert_device(tx: Transaction, session: NewSession) -> bool:
    """Make the device of a session; False when it exists already."""
    device = (session.user_id, session.device_id, session.display_name, session.created_ts)
    return tx.execute(_DEVICE, device) > 0


def insert_tokens(tx: Transaction, session: NewSession, replaces: int | None = None) -> None:
    """Store the tokens of a session; ``replaces`` is the refresh token they were given for."""
    owner = (session.user_id, session.device_id)
    refresh, access = session.refresh, session.access
    if refresh is not None:
        tx.execute(
            _REFRESH,
            (
                refresh.key.id,
                refresh.key.digest,
                *owner,
                replaces,
                session.created_ts,
                refresh.expires_ts,
            ),
        )
    tx.execute(
        _ACCESS,
        (
            access.key.id,
            access.key.digest,
            *owner,
            refresh.key.id if refresh is not None else None,
            session.created_ts,
            access.expires_ts,
        ),
    )


def delete_tokens(tx: Transaction, session: NewSession) -> bool:
    """Revoke the tokens that the device of a session has; whether there were any."""
    owner = (session.user_id, session.device_id)
    revoked = [
        tx.execute(f"DELETE FROM {table} WHERE user_id = ? AND device_id = ?", owner)
        for table in ("access_tokens", "refresh_tokens")
    ]
    return any(revoked)
