"""Backups of keys."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.key_backup import BackedUpKey, KeyRank
from homeserver.ports.database import Row, Transaction
from homeserver.ports.encryption.key_backup import KeyBackup, SessionKey

_BACKUP = """SELECT version, algorithm, auth_data, key_count, etag, is_deleted
    FROM key_backups WHERE user_id = ?"""
_KEY = """room_id, session_id, first_message_index, forwarded_count, is_verified, session_data"""


class SqlKeyBackupStore:
    """See :class:`homeserver.ports.encryption.key_backup.KeyBackupStore`."""

    def create(self, tx: Transaction, user_id: UserId, algorithm: str, auth_data: bytes) -> int:
        row = tx.one(
            """INSERT INTO key_backups
                (user_id, version, algorithm, auth_data, key_count, etag, is_deleted)
            SELECT ?, COALESCE(max(version), 0) + 1, ?, ?, 0, 0, FALSE
            FROM key_backups WHERE user_id = ? RETURNING version""",
            (user_id, algorithm, auth_data, user_id),
        )
        assert row is not None
        return int(row[0])

    def version(self, tx: Transaction, user_id: UserId, version: int) -> KeyBackup | None:
        row = tx.one(f"{_BACKUP} AND version = ?", (user_id, version))
        return None if row is None else _backup(row)

    def current(self, tx: Transaction, user_id: UserId) -> KeyBackup | None:
        row = tx.one(f"{_BACKUP} AND NOT is_deleted ORDER BY version DESC LIMIT 1", (user_id,))
        return None if row is None else _backup(row)

    def set_auth_data(
        self, tx: Transaction, user_id: UserId, version: int, auth_data: bytes
    ) -> None:
        tx.execute(
            "UPDATE key_backups SET auth_data = ? WHERE user_id = ? AND version = ?",
            (auth_data, user_id, version),
        )

    def delete(self, tx: Transaction, user_id: UserId, version: int) -> None:
        self.remove_keys(tx, user_id, version, None, None)
        tx.execute(
            """UPDATE key_backups SET is_deleted = TRUE, auth_data = ?, key_count = 0
            WHERE user_id = ? AND version = ?""",
            (b"{}", user_id, version),
        )

    def ranks(
        self, tx: Transaction, user_id: UserId, version: int, keys: Sequence[BackedUpKey]
    ) -> dict[SessionKey, KeyRank]:
        rows = tx.all(
            """SELECT room_id, session_id, is_verified, first_message_index, forwarded_count
            FROM backed_up_keys WHERE user_id = ? AND version = ?
                AND room_id = ANY(?) AND session_id = ANY(?)""",
            (
                user_id,
                version,
                list({key.room_id for key in keys}),
                list({key.session_id for key in keys}),
            ),
        )
        return {
            (RoomId(room_id), session_id): (not is_verified, index, forwarded)
            for room_id, session_id, is_verified, index, forwarded in rows
        }

    def put_keys(
        self, tx: Transaction, user_id: UserId, version: int, keys: Sequence[BackedUpKey]
    ) -> None:
        tx.insert(
            f"INSERT INTO backed_up_keys (user_id, version, {_KEY}) VALUES",
            [
                (
                    user_id,
                    version,
                    key.room_id,
                    key.session_id,
                    key.first_message_index,
                    key.forwarded_count,
                    key.is_verified,
                    key.session_data,
                )
                for key in keys
            ],
            """ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET
                first_message_index = excluded.first_message_index,
                forwarded_count = excluded.forwarded_count,
                is_verified = excluded.is_verified, session_data = excluded.session_data""",
        )

    def remove_keys(
        self,
        tx: Transaction,
        user_id: UserId,
        version: int,
        room_id: RoomId | None,
        session_id: str | None,
    ) -> int:
        where, parameters = _chosen(user_id, version, room_id, session_id)
        return tx.execute(f"DELETE FROM backed_up_keys {where}", parameters)

    def note_keys(
        self, tx: Transaction, user_id: UserId, version: int, key_count: int, etag: int
    ) -> None:
        tx.execute(
            "UPDATE key_backups SET key_count = ?, etag = ? WHERE user_id = ? AND version = ?",
            (key_count, etag, user_id, version),
        )

    def keys(
        self,
        tx: Transaction,
        user_id: UserId,
        version: int,
        room_id: RoomId | None,
        session_id: str | None,
    ) -> list[BackedUpKey]:
        where, parameters = _chosen(user_id, version, room_id, session_id)
        rows = tx.all(
            f"SELECT {_KEY} FROM backed_up_keys {where} ORDER BY room_id, session_id", parameters
        )
        return list(map(_key, rows))


def _chosen(
    user_id: UserId, version: int, room_id: RoomId | None, session_id: str | None
) -> tuple[str, list[object]]:
    """The condition for all keys, those of a room, or that of a session."""
    names = {"user_id": user_id, "version": version, "room_id": room_id, "session_id": session_id}
    given = {name: value for name, value in names.items() if value is not None}
    return "WHERE " + " AND ".join(f"{name} = ?" for name in given), list(given.values())


def _backup(row: Row) -> KeyBackup:
    version, algorithm, auth_data, key_count, etag, is_deleted = row
    return KeyBackup(version, algorithm, auth_data, key_count, etag, bool(is_deleted))


def _key(row: Row) -> BackedUpKey:
    room_id, session_id, index, forwarded, is_verified, data = row
    return BackedUpKey(RoomId(room_id), session_id, index, forwarded, bool(is_verified), data)
