"""The aliases that this server hosts."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import RoomAlias, RoomId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.aliases import AliasRow, NewAlias


class SqlAliasStore:
    """See :class:`homeserver.ports.rooms.aliases.AliasStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def find(self, aliases: Sequence[RoomAlias]) -> list[AliasRow]:
        return await self._transactions.read(_find, list(aliases)) if aliases else []

    async def of_room(self, room_nid: int) -> list[RoomAlias]:
        return await self._transactions.read(_of_room, room_nid)

    async def add(self, alias: NewAlias) -> None:
        await self._transactions.write(_add, alias)

    async def remove(self, alias: RoomAlias) -> bool:
        return await self._transactions.write(_remove, alias)

    async def move(self, from_room_nid: int, to_room_nid: int) -> None:
        await self._transactions.write(_move, from_room_nid, to_room_nid)


def _find(tx: Transaction, aliases: list[RoomAlias]) -> list[AliasRow]:
    rows = tx.all(
        "SELECT a.alias, a.room_nid, r.room_id, a.creator FROM room_aliases a"
        " JOIN rooms r ON r.room_nid = a.room_nid WHERE a.alias = ANY(?)",
        (aliases,),
    )
    return [AliasRow(RoomAlias(a), nid, RoomId(room), UserId(user)) for a, nid, room, user in rows]


def _of_room(tx: Transaction, room_nid: int) -> list[RoomAlias]:
    rows = tx.all("SELECT alias FROM room_aliases WHERE room_nid = ?", (room_nid,))
    return sorted(RoomAlias(alias) for (alias,) in rows)


def _add(tx: Transaction, alias: NewAlias) -> None:
    tx.execute(
        "INSERT INTO room_aliases (alias, room_nid, creator, created_ts) VALUES (?, ?, ?, ?)",
        (alias.alias, alias.room_nid, alias.creator, alias.created_ts),
    )


def _remove(tx: Transaction, alias: RoomAlias) -> bool:
    return tx.execute("DELETE FROM room_aliases WHERE alias = ?", (alias,)) > 0


def _move(tx: Transaction, from_room_nid: int, to_room_nid: int) -> None:
    tx.execute(
        "UPDATE room_aliases SET room_nid = ? WHERE room_nid = ?", (to_room_nid, from_room_nid)
    )
