"""Backups of the keys of encrypted rooms.

Client-server API, "Server-side key backups". The server sees only encrypted keys, and counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import attrs

from homeserver.domain.errors import InvalidParam, NotFound, WrongRoomKeysVersion
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.key_backup import BackedUpKey
from homeserver.log.log import Log
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.key_backup import KeyBackup, KeyBackupStore, SessionKey

T = TypeVar("T")

_LARGEST_VERSION: Final = 2**63 - 1


@attrs.frozen(slots=True)
class BackupState:
    """How many keys a backup has, and a text that changes when they do."""

    etag: str
    count: int


@attrs.frozen(slots=True)
class Selection:
    """All keys of a version, those of a room, or that of a session."""

    version: str
    room_id: RoomId | None = None
    session_id: str | None = None


class KeyBackups:
    """Makes versions of backups, and keeps keys in them."""

    def __init__(self, store: KeyBackupStore, log: Log) -> None:
        self._store = store
        self._log = log

    async def create(self, user_id: UserId, algorithm: str, auth_data: bytes) -> str:
        """Begin a new version; its name."""
        return str(await self._log.write(self._store.create, user_id, algorithm, auth_data))

    async def version(self, user_id: UserId, version: str | None) -> KeyBackup:
        """A version, the current one for None. Raises NotFound."""
        if version is None:
            backup = await self._log.read(self._store.current, user_id)
        else:
            backup = await self._log.read(self._store.version, user_id, _number(version))
        return _existing(backup)

    async def update(self, user_id: UserId, version: str, algorithm: str, auth_data: bytes) -> None:
        """Replace the data of a version. Raises NotFound, InvalidParam for another algorithm."""
        backup = await self.version(user_id, version)
        if backup.algorithm != algorithm:
            raise InvalidParam("Algorithm does not match")
        await self._log.write(self._store.set_auth_data, user_id, backup.version, auth_data)

    async def delete(self, user_id: UserId, version: str) -> None:
        """Delete a version, if that has not happened yet. Raises NotFound when it never was."""
        number = _number(version)
        backup = await self._log.read(self._store.version, user_id, number)
        if backup is None:
            raise NotFound("Unknown backup version")
        if not backup.is_deleted:
            await self._log.write(self._store.delete, user_id, number)

    async def put_keys(
        self, user_id: UserId, version: str, keys: Sequence[BackedUpKey]
    ) -> BackupState:
        """Keep keys in the current version, but for those that are worse than what it has.

        Raises NotFound when there is no backup, WrongRoomKeysVersion for another version.
        """
        number = _number(version)
        # Of several keys of a session the best one counts.
        best: dict[SessionKey, BackedUpKey] = {}
        for key in keys:
            session = (key.room_id, key.session_id)
            if session not in best or key.replaces(best[session].rank):
                best[session] = key
        backup, state = await self._log.write(self._put, user_id, number, list(best.values()))
        if state is None:
            raise WrongRoomKeysVersion(current_version=str(_existing(backup).version))
        return state

    def _put(
        self, tx: Transaction, user_id: UserId, version: int, keys: list[BackedUpKey]
    ) -> tuple[KeyBackup | None, BackupState | None]:
        backup = self._store.current(tx, user_id)
        if backup is None or backup.version != version:
            return backup, None
        stored = self._store.ranks(tx, user_id, version, keys)
        kept, added = [], 0
        for key in keys:
            rank = stored.get((key.room_id, key.session_id))
            added += rank is None
            if rank is None or key.replaces(rank):
                kept.append(key)
        if kept:
            self._store.put_keys(tx, user_id, version, kept)
        return backup, self._noted(tx, user_id, backup, added, is_changed=bool(kept))

    async def remove_keys(self, user_id: UserId, chosen: Selection) -> BackupState:
        """Delete keys. Raises NotFound for an unknown version."""
        number = _number(chosen.version)

        def work(tx: Transaction) -> BackupState | None:
            backup = self._store.version(tx, user_id, number)
            if backup is None or backup.is_deleted:
                return None
            removed = self._store.remove_keys(
                tx, user_id, number, chosen.room_id, chosen.session_id
            )
            return self._noted(tx, user_id, backup, -removed, is_changed=removed > 0)

        return _existing(await self._log.write(work))

    async def keys(self, user_id: UserId, chosen: Selection) -> list[BackedUpKey]:
        """The chosen keys. Raises NotFound for an unknown version."""
        number = _number(chosen.version)

        def work(tx: Transaction) -> list[BackedUpKey] | None:
            backup = self._store.version(tx, user_id, number)
            if backup is None or backup.is_deleted:
                return None
            return self._store.keys(tx, user_id, number, chosen.room_id, chosen.session_id)

        return _existing(await self._log.read(work))

    def _noted(
        self, tx: Transaction, user_id: UserId, backup: KeyBackup, added: int, *, is_changed: bool
    ) -> BackupState:
        count, etag = backup.key_count + added, backup.etag + is_changed
        if is_changed:
            self._store.note_keys(tx, user_id, backup.version, count, etag)
        return BackupState(str(etag), count)


def _number(version: str) -> int:
    if version.isascii() and version.isdigit() and int(version[:20]) <= _LARGEST_VERSION:
        return int(version[:20])
    raise NotFound("Unknown backup version")


def _existing(found: T | None) -> T:
    if found is None or (isinstance(found, KeyBackup) and found.is_deleted):
        raise NotFound("Unknown backup version")
    return found
