"""What clients keep on the server for their user.

Client-server API, "Client Config".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeserver.domain.errors import BadJson, InvalidParam, NotFound
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.log.entries import AccountDataEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.database import Transaction
from homeserver.ports.personal.account_data import AccountDataRow, AccountDataStore
from homeserver.services.personal.push_rules import PUSH_RULES, default_push_rules

FULLY_READ: Final = "m.fully_read"
MAX_TYPE_BYTES: Final = 255

_MANAGED: Final = frozenset({FULLY_READ, PUSH_RULES})
# What was deleted is kept as this, so that clients are told once (MSC3391).
_DELETED: Final = b"{}"


class ManagedByServer(BadJson):
    """Account data that clients change through other operations only."""

    status = 405


class AccountData:
    """Reads and changes account data."""

    def __init__(self, store: AccountDataStore, log: Log) -> None:
        self._store = store
        self._log = log

    async def get(self, user_id: UserId, room_id: RoomId | None, type: str) -> bytes:
        """The JSON object that is kept under a type, globally or for a room. Raises NotFound."""
        _check_type(type)
        row = await self._store.get(user_id, room_id, type)
        if row is not None and row.content != _DELETED:
            return row.content
        if room_id is None and type == PUSH_RULES:
            return default_push_rules(user_id)
        raise NotFound("There is no account data of this type")

    async def put(self, user_id: UserId, room_id: RoomId | None, type: str, content: bytes) -> None:
        """Keep a JSON object as a client asks; an empty one is as good as none.

        Raises ManagedByServer for types that have operations of their own, InvalidParam for a type
        that is none.
        """
        _check_changeable(type)
        await self.change(user_id, room_id, type, lambda before: content)

    async def delete(self, user_id: UserId, room_id: RoomId | None, type: str) -> None:
        """Delete what is kept under a type, if anything is (MSC3391). Raises as `put`."""
        _check_changeable(type)
        row = await self._store.get(user_id, room_id, type)
        if row is not None and row.content != _DELETED:
            await self.change(user_id, room_id, type, lambda before: _DELETED)

    async def change(
        self,
        user_id: UserId,
        room_id: RoomId | None,
        type: str,
        change: Callable[[bytes | None], bytes],
    ) -> None:
        """Keep what ``change`` makes of the present JSON object, None when there is none.

        ``change`` runs within the transaction and may be called more than once.
        """
        store = self._store

        def work(tx: Transaction) -> None:
            before = store.read(tx, user_id, room_id, type)
            content = change(before.content if before is not None else None)
            store.put(tx, user_id, AccountDataRow(room_id, type, content, position))

        shard = shard_of_user(user_id, self._log.shards)
        position = self._log.next_position(shard)
        entry = AccountDataEntry(shard, position, user_id, room_id, type)
        await self._log.append(entry, work)


def _check_changeable(type: str) -> None:
    _check_type(type)
    if type in _MANAGED:
        raise ManagedByServer(f"{type} cannot be changed through this operation")


def _check_type(type: str) -> None:
    if not type or "\0" in type or len(type.encode()) > MAX_TYPE_BYTES:
        raise InvalidParam("This is not a valid type of account data")
