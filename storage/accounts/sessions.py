"""Access and refresh tokens."""

from __future__ import annotations

from homeserver.domain.identifiers import DeviceId
from homeserver.ports.accounts.session_tokens import NewSession, TokenKey
from homeserver.ports.accounts.sessions import AccessSession, Opened, RefreshSession
from homeserver.ports.database import Transaction, Transactions
from storage.accounts.accounts import ACCOUNT, stored_account
from storage.accounts.session_tokens import delete_tokens, insert_device, insert_tokens


class SqlSessionStore:
    """See :class:`homeserver.ports.accounts.sessions.SessionStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def by_access_token(self, key: TokenKey) -> AccessSession | None:
        return await self._transactions.read(_by_access_token, key)

    async def by_refresh_token(self, key: TokenKey) -> RefreshSession | None:
        return await self._transactions.read(_by_refresh_token, key)

    async def open(self, session: NewSession) -> Opened:
        return await self._transactions.write(_open, session)

    async def refresh(self, refresh_token_id: int, session: NewSession) -> list[bytes] | None:
        return await self._transactions.write(_refresh, refresh_token_id, session)

    async def confirm(self, refresh_token_id: int) -> list[bytes]:
        return await self._transactions.write(_confirm, refresh_token_id)

    async def revoke(self, token_id: int) -> None:
        await self._transactions.write(_revoke, token_id)


def _by_access_token(tx: Transaction, key: TokenKey) -> AccessSession | None:
    row = tx.one(
        f"""SELECT t.token_id, t.device_id, t.expires_ts,
            CASE WHEN r.replaces_token_id IS NOT NULL THEN r.token_id END, {ACCOUNT}
        FROM access_tokens t JOIN users u ON u.user_id = t.user_id
        LEFT JOIN refresh_tokens r ON r.token_id = t.refresh_token_id
        WHERE t.token_id = ? AND t.token_hash = ?""",
        (key.id, key.digest),
    )
    if row is None:
        return None
    token_id, device_id, expires_ts, unconfirmed, *account = row
    return AccessSession(token_id, stored_account(account), device_id, expires_ts, unconfirmed)


def _by_refresh_token(tx: Transaction, key: TokenKey) -> RefreshSession | None:
    row = tx.one(
        f"""SELECT t.token_id, t.device_id, t.expires_ts, {ACCOUNT}
        FROM refresh_tokens t JOIN users u ON u.user_id = t.user_id
        WHERE t.token_id = ? AND t.token_hash = ?""",
        (key.id, key.digest),
    )
    if row is None:
        return None
    token_id, device_id, expires_ts, *account = row
    return RefreshSession(token_id, stored_account(account), DeviceId(device_id), expires_ts)


def _open(tx: Transaction, session: NewSession) -> Opened:
    had_tokens = not session.is_new_device and delete_tokens(tx, session)
    is_new_device = insert_device(tx, session)
    insert_tokens(tx, session)
    return Opened(is_new_device, had_tokens)


def _refresh(tx: Transaction, refresh_token_id: int, session: NewSession) -> list[bytes] | None:
    row = tx.one(
        "SELECT replaces_token_id FROM refresh_tokens WHERE token_id = ?", (refresh_token_id,)
    )
    if row is None:
        return None
    revoked = _revoke_replaced(tx, refresh_token_id, row[0])
    insert_tokens(tx, session, replaces=refresh_token_id)
    return revoked


def _confirm(tx: Transaction, refresh_token_id: int) -> list[bytes]:
    row = tx.one(
        "SELECT replaces_token_id FROM refresh_tokens WHERE token_id = ?", (refresh_token_id,)
    )
    return [] if row is None else _revoke_replaced(tx, refresh_token_id, row[0])


def _revoke_replaced(tx: Transaction, refresh_token_id: int, replaced: int | None) -> list[bytes]:
    if replaced is None:
        return []
    revoked = tx.all(
        "DELETE FROM access_tokens WHERE refresh_token_id = ? RETURNING token_hash", (replaced,)
    )
    tx.execute("DELETE FROM refresh_tokens WHERE token_id = ?", (replaced,))
    tx.execute(
        "UPDATE refresh_tokens SET replaces_token_id = NULL WHERE token_id = ?",
        (refresh_token_id,),
    )
    return [row[0] for row in revoked]


def _revoke(tx: Transaction, token_id: int) -> None:
    tx.execute("DELETE FROM access_tokens WHERE token_id = ?", (token_id,))
