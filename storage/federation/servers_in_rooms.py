"""Which servers are in rooms."""

from __future__ import annotations

from collections.abc import Collection

from homeserver.domain.identifiers import RoomId, ServerName
from homeserver.ports.database import Transaction, Transactions

# The member table of a room is read in the order of an index until one user of the server is found.
_ROOMS = r"""
SELECT r.room_id FROM rooms r WHERE r.room_id = ANY(?) AND EXISTS (
    SELECT 1 FROM memberships m WHERE m.room_nid = r.room_nid AND m.membership = ?
    AND m.user_id LIKE ? ESCAPE '\' AND m.user_id NOT LIKE ? ESCAPE '\')"""


class SqlServersInRooms:
    """See :class:`homeserver.ports.federation.servers_in_rooms.ServersInRooms`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def joined(self, server: ServerName, room_ids: Collection[RoomId]) -> set[RoomId]:
        return await self._rooms("join", server, room_ids)

    async def invited(self, server: ServerName, room_ids: Collection[RoomId]) -> set[RoomId]:
        return await self._rooms("invite", server, room_ids)

    async def _rooms(
        self, membership: str, server: ServerName, room_ids: Collection[RoomId]
    ) -> set[RoomId]:
        if not room_ids:
            return set()
        return await self._transactions.read(_rooms, membership, server, list(room_ids))


def _rooms(
    tx: Transaction, membership: str, server: ServerName, room_ids: list[RoomId]
) -> set[RoomId]:
    # All after the first colon is the server: "@a:b:80" is not a user of the server "80".
    name = _literal(server)
    found = tx.all(_ROOMS, (room_ids, membership, f"@%:{name}", f"@%:%:{name}"))
    return {RoomId(room_id) for (room_id,) in found}


def _literal(text: str) -> str:
    """A text as LIKE finds it literally."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return text
