"""Registration tokens and the uses of them that are set aside."""

from __future__ import annotations

from homeserver.ports.accounts.registration_tokens import RegistrationToken
from homeserver.ports.database import Transaction, Transactions

# Parameters: the time, the session whose own reservation does not count, and again the time.
_USE_LEFT = """(t.expires_ts IS NULL OR t.expires_ts > ?)
    AND (t.uses_allowed IS NULL OR t.uses_allowed > t.completed + (
        SELECT count(*) FROM registration_token_reservations r
        WHERE r.token = t.token AND r.session_id <> ? AND r.expires_ts > ?))"""
_NO_SESSION = ""


class SqlRegistrationTokenStore:
    """See :class:`homeserver.ports.accounts.registration_tokens.RegistrationTokenStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def add(self, token: RegistrationToken, created_ts: int) -> bool:
        return await self._transactions.write(_add, token, created_ts)

    async def is_valid(self, token: str, now_ms: int) -> bool:
        return await self._transactions.read(_has_use_left, token, _NO_SESSION, now_ms)

    async def reserve(self, token: str, session_id: str, expires_ts: int, now_ms: int) -> bool:
        return await self._transactions.write(_reserve, token, session_id, expires_ts, now_ms)


def spend_reservation(tx: Transaction, session_id: str, now_ms: int) -> bool:
    """Spend the use that was set aside for a session; False, and nothing spent, when it has lapsed.

    For other stores to use in their work.
    """
    spent = tx.all(
        """DELETE FROM registration_token_reservations WHERE session_id = ? AND expires_ts > ?
        RETURNING token""",
        (session_id, now_ms),
    )
    for (token,) in spent:
        tx.execute(
            "UPDATE registration_tokens SET completed = completed + 1 WHERE token = ?", (token,)
        )
    return bool(spent)


def _add(tx: Transaction, token: RegistrationToken, created_ts: int) -> bool:
    stored = tx.execute(
        """INSERT INTO registration_tokens (token, uses_allowed, completed, created_ts, expires_ts)
        VALUES (?, ?, 0, ?, ?) ON CONFLICT DO NOTHING""",
        (token.token, token.uses_allowed, created_ts, token.expires_ts),
    )
    return stored > 0


def _has_use_left(tx: Transaction, token: str, session_id: str, now_ms: int) -> bool:
    row = tx.one(
        f"SELECT 1 FROM registration_tokens t WHERE t.token = ? AND {_USE_LEFT}",
        (token, now_ms, session_id, now_ms),
    )
    return row is not None


def _reserve(tx: Transaction, token: str, session_id: str, expires_ts: int, now_ms: int) -> bool:
    # Whoever else wants a use of this token, in another process, waits for this transaction here.
    tx.execute("UPDATE registration_tokens SET completed = completed WHERE token = ?", (token,))
    tx.execute("DELETE FROM registration_token_reservations WHERE expires_ts <= ?", (now_ms,))
    if not _has_use_left(tx, token, session_id, now_ms):
        return False
    tx.execute(
        """INSERT INTO registration_token_reservations (session_id, token, expires_ts)
        VALUES (?, ?, ?) ON CONFLICT (session_id) DO UPDATE
        SET token = excluded.token, expires_ts = excluded.expires_ts""",
        (session_id, token, expires_ts),
    )
    return True
