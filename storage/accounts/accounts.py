"""Accounts of the users of this server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import Account, Credentials, NewAccount, Registered
from homeserver.ports.accounts.session_tokens import NewSession
from homeserver.ports.database import Transaction, Transactions
from storage.accounts.devices import delete_all_devices
from storage.accounts.registration_tokens import spend_reservation
from storage.accounts.session_tokens import delete_tokens, insert_device, insert_tokens

ACCOUNT = "u.user_id, u.is_guest, u.is_admin, u.is_locked, u.is_suspended, u.is_deactivated"
"""The columns of ``users u`` that :func:`stored_account` takes."""

_INSERT = """INSERT INTO users (user_id, password_hash, user_type, is_guest, is_admin, is_locked,
        is_suspended, is_deactivated, is_erased, must_leave_rooms, created_ts)
    VALUES (?, ?, ?, ?, ?, FALSE, FALSE, FALSE, FALSE, FALSE, ?) ON CONFLICT DO NOTHING"""


def stored_account(row: Sequence[Any]) -> Account:
    """An account from the columns of ``ACCOUNT``; for other stores to use in their work."""
    return Account(UserId(row[0]), *map(bool, row[1:]))


class SqlAccountStore:
    """See :class:`homeserver.ports.accounts.accounts.AccountStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def register(self, account: NewAccount, session: NewSession | None) -> Registered:
        return await self._transactions.write(_register, account, session)

    async def upgrade_guest(self, account: NewAccount, session: NewSession | None) -> Registered:
        return await self._transactions.write(_upgrade_guest, account, session)

    async def account(self, user_id: UserId) -> Account | None:
        return await self._transactions.read(_account, user_id)

    async def credentials(self, user_id: UserId) -> Credentials | None:
        return await self._transactions.read(_credentials, user_id)

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        await self._transactions.write(_set, user_id, "password_hash", password_hash)

    async def set_locked(self, user_id: UserId, locked: bool) -> None:
        await self._transactions.write(_set, user_id, "is_locked", locked)

    async def set_suspended(self, user_id: UserId, suspended: bool) -> None:
        await self._transactions.write(_set, user_id, "is_suspended", suspended)

    async def deactivate(self, user_id: UserId, *, erase: bool) -> list[DeviceId]:
        return await self._transactions.write(_deactivate, user_id, erase)

    async def must_leave_rooms(self) -> list[UserId]:
        return await self._transactions.read(_must_leave_rooms)

    async def has_left_rooms(self, user_id: UserId) -> None:
        await self._transactions.write(_set, user_id, "must_leave_rooms", False)


def _register(tx: Transaction, account: NewAccount, session: NewSession | None) -> Registered:
    row = (
        account.user_id,
        account.password_hash,
        account.user_type,
        account.is_guest,
        account.is_admin,
        account.created_ts,
    )
    if tx.execute(_INSERT, row) == 0:
        return Registered.USER_IN_USE
    if not _spend_reservation(tx, account):
        tx.execute("DELETE FROM users WHERE user_id = ?", (account.user_id,))
        return Registered.NO_RESERVATION
    if session is not None:
        insert_device(tx, session)
        insert_tokens(tx, session)
    return Registered.DONE


def _upgrade_guest(tx: Transaction, account: NewAccount, session: NewSession | None) -> Registered:
    user_id = account.user_id
    if tx.one("SELECT 1 FROM users WHERE user_id = ? AND is_guest", (user_id,)) is None:
        return Registered.NOT_A_GUEST
    if not _spend_reservation(tx, account):
        return Registered.NO_RESERVATION
    tx.execute(
        "UPDATE users SET is_guest = FALSE, password_hash = ? WHERE user_id = ?",
        (account.password_hash, user_id),
    )
    if session is not None:
        delete_tokens(tx, session)
        insert_device(tx, session)
        insert_tokens(tx, session)
    return Registered.DONE


def _spend_reservation(tx: Transaction, account: NewAccount) -> bool:
    return account.reservation is None or spend_reservation(
        tx, account.reservation, account.created_ts
    )


def _account(tx: Transaction, user_id: UserId) -> Account | None:
    row = tx.one(f"SELECT {ACCOUNT} FROM users u WHERE u.user_id = ?", (user_id,))
    return None if row is None else stored_account(row)


def _credentials(tx: Transaction, user_id: UserId) -> Credentials | None:
    row = tx.one(f"SELECT u.password_hash, {ACCOUNT} FROM users u WHERE u.user_id = ?", (user_id,))
    return None if row is None else Credentials(stored_account(row[1:]), row[0])


def _set(tx: Transaction, user_id: UserId, column: str, value: str | bool) -> None:
    tx.execute(f"UPDATE users SET {column} = ? WHERE user_id = ?", (value, user_id))


def _deactivate(tx: Transaction, user_id: UserId, erase: bool) -> list[DeviceId]:
    tx.execute(
        """UPDATE users SET is_deactivated = TRUE, must_leave_rooms = TRUE,
            is_erased = (is_erased OR ?),
            password_hash = CASE WHEN ? THEN NULL ELSE password_hash END
        WHERE user_id = ?""",
        (erase, erase, user_id),
    )
    return delete_all_devices(tx, user_id)


def _must_leave_rooms(tx: Transaction) -> list[UserId]:
    rows = tx.all("SELECT user_id FROM users WHERE must_leave_rooms ORDER BY created_ts, user_id")
    return [UserId(row[0]) for row in rows]
