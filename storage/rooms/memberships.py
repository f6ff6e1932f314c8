"""Which rooms users are in."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.memberships import SharedRooms

_SHARED = """FROM memberships a
    JOIN memberships b ON b.room_nid = a.room_nid AND b.user_id = ? AND b.membership = 'join'
    JOIN rooms r ON r.room_nid = a.room_nid
    WHERE a.user_id = ? AND a.membership = 'join'"""


class SqlMembershipStore:
    """See :class:`homeserver.ports.rooms.memberships.MembershipStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def joined_rooms(self, user_id: UserId) -> list[RoomId]:
        return await self._transactions.read(_joined_rooms, user_id)

    async def memberships(self, user_id: UserId, room_ids: Sequence[RoomId]) -> dict[RoomId, str]:
        if not room_ids:
            return {}
        return await self._transactions.read(_memberships, user_id, list(room_ids))

    async def shared_rooms(
        self, user_id: UserId, other: UserId, *, after: RoomId | None, limit: int
    ) -> SharedRooms:
        return await self._transactions.read(_shared_rooms, user_id, other, after, limit)

    def forget(self, tx: Transaction, user_id: UserId, room_nid: int) -> None:
        tx.execute(
            "UPDATE memberships SET forgotten = ? WHERE user_id = ? AND room_nid = ?"
            " AND membership IN ('leave', 'ban')",
            (True, user_id, room_nid),
        )


def _joined_rooms(tx: Transaction, user_id: UserId) -> list[RoomId]:
    rows = tx.all(
        "SELECT r.room_id FROM memberships m JOIN rooms r ON r.room_nid = m.room_nid"
        " WHERE m.user_id = ? AND m.membership = 'join'",
        (user_id,),
    )
    return sorted(RoomId(room_id) for (room_id,) in rows)


def _memberships(tx: Transaction, user_id: UserId, room_ids: list[RoomId]) -> dict[RoomId, str]:
    rows = tx.all(
        "SELECT r.room_id, m.membership FROM rooms r"
        " JOIN memberships m ON m.room_nid = r.room_nid AND m.user_id = ?"
        " WHERE r.room_id = ANY(?)",
        (user_id, room_ids),
    )
    return {RoomId(room_id): membership for room_id, membership in rows}


def _shared_rooms(
    tx: Transaction, user_id: UserId, other: UserId, after: RoomId | None, limit: int
) -> SharedRooms:
    total = tx.one(f"SELECT count(*) {_SHARED}", (other, user_id))
    rows = tx.all(
        f"SELECT r.room_id {_SHARED} AND r.room_id > ? ORDER BY r.room_id LIMIT ?",
        (other, user_id, after or "", limit),
    )
    return SharedRooms([RoomId(room_id) for (room_id,) in rows], total[0] if total else 0)
