"""What the floors above ask of storage about backups of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.key_backup import BackedUpKey, KeyRank
from homeserver.ports.database import Transaction

SessionKey = tuple[RoomId, str]
"""A room and a session of it."""


@attrs.frozen(slots=True)
class KeyBackup:
    """A version of a user's backup. ``auth_data`` is a JSON object; ``etag`` counts the changes of
    its keys, ``key_count`` the keys."""

    version: int
    algorithm: str
    auth_data: bytes
    key_count: int
    etag: int
    is_deleted: bool


class KeyBackupStore(Protocol):
    """Backups of keys. Users have versions, of which the newest that is not deleted is current."""

    def create(self, tx: Transaction, user_id: UserId, algorithm: str, auth_data: bytes) -> int:
        """Begin a version; its number, which no version of the user ever had."""
        ...

    def version(self, tx: Transaction, user_id: UserId, version: int) -> KeyBackup | None:
        """A version, also a deleted one."""
        ...

    def current(self, tx: Transaction, user_id: UserId) -> KeyBackup | None:
        """The current version."""
        ...

    def set_auth_data(
        self, tx: Transaction, user_id: UserId, version: int, auth_data: bytes
    ) -> None:
        """Replace the data of a version."""
        ...

    def delete(self, tx: Transaction, user_id: UserId, version: int) -> None:
        """Delete a version with its keys."""
        ...

    def ranks(
        self, tx: Transaction, user_id: UserId, version: int, keys: Sequence[BackedUpKey]
    ) -> dict[SessionKey, KeyRank]:
        """The ranks of the stored keys of the sessions of these."""
        ...

    def put_keys(
        self, tx: Transaction, user_id: UserId, version: int, keys: Sequence[BackedUpKey]
    ) -> None:
        """Store keys in place of those of their sessions."""
        ...

    def remove_keys(
        self,
        tx: Transaction,
        user_id: UserId,
        version: int,
        room_id: RoomId | None,
        session_id: str | None,
    ) -> int:
        """Delete all keys, those of a room, or that of a session; how many there were."""
        ...

    def note_keys(
        self, tx: Transaction, user_id: UserId, version: int, key_count: int, etag: int
    ) -> None:
        """Store how many keys a version has, and how often they changed."""
        ...

    def keys(
        self,
        tx: Transaction,
        user_id: UserId,
        version: int,
        room_id: RoomId | None,
        session_id: str | None,
    ) -> list[BackedUpKey]:
        """All keys, those of a room, or that of a session."""
        ...
