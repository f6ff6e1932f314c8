"""Tokens that log in once."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.database import Transaction, Transactions


class SqlLoginTokenStore:
    """See :class:`homeserver.ports.accounts.login_tokens.LoginTokenStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def add(self, key: TokenKey, user_id: UserId, expires_ts: int, now_ms: int) -> None:
        await self._transactions.write(_add, key, user_id, expires_ts, now_ms)

    async def redeem(self, key: TokenKey, now_ms: int) -> UserId | None:
        return await self._transactions.write(_redeem, key, now_ms)


def _add(tx: Transaction, key: TokenKey, user_id: UserId, expires_ts: int, now_ms: int) -> None:
    tx.execute("DELETE FROM login_tokens WHERE expires_ts <= ?", (now_ms,))
    tx.execute(
        "INSERT INTO login_tokens (token_id, token_hash, user_id, expires_ts) VALUES (?, ?, ?, ?)",
        (key.id, key.digest, user_id, expires_ts),
    )


def _redeem(tx: Transaction, key: TokenKey, now_ms: int) -> UserId | None:
    used_up = tx.all(
        """DELETE FROM login_tokens WHERE token_id = ? AND token_hash = ?
        RETURNING user_id, expires_ts""",
        (key.id, key.digest),
    )
    for user_id, expires_ts in used_up:
        if expires_ts > now_ms:
            return UserId(user_id)
    return None
