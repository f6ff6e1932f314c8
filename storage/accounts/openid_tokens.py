"""Tokens that tell third parties who a user is."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.openid_tokens import OpenIdToken
from homeserver.ports.database import Transaction, Transactions


class SqlOpenIdTokenStore:
    """See :class:`homeserver.ports.accounts.openid_tokens.OpenIdTokenStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def add(self, token: OpenIdToken, now_ms: int) -> None:
        await self._transactions.write(_add, token, now_ms)

    async def user_of(self, token_hash: bytes, now_ms: int) -> UserId | None:
        return await self._transactions.read(_user_of, token_hash, now_ms)


def _add(tx: Transaction, token: OpenIdToken, now_ms: int) -> None:
    tx.execute("DELETE FROM openid_tokens WHERE expires_ts <= ?", (now_ms,))
    tx.execute(
        "INSERT INTO openid_tokens (token_hash, user_id, expires_ts) VALUES (?, ?, ?)",
        (token.token_hash, token.user_id, token.expires_ts),
    )


def _user_of(tx: Transaction, token_hash: bytes, now_ms: int) -> UserId | None:
    row = tx.one(
        "SELECT user_id FROM openid_tokens WHERE token_hash = ? AND expires_ts > ?",
        (token_hash, now_ms),
    )
    return UserId(row[0]) if row is not None else None
