"""What there is of a room, for operators."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.events import Standing
from homeserver.ports.rooms.room_figures import MembershipRecord, RoomFigures


class SqlRoomFigures:
    """See :class:`homeserver.ports.rooms.room_figures.RoomFigureStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def figures(self, room_nid: int) -> RoomFigures:
        return await self._transactions.read(_figures, room_nid)

    async def memberships(self, room_nid: int) -> dict[UserId, MembershipRecord]:
        return await self._transactions.read(_memberships, room_nid)


def _figures(tx: Transaction, room_nid: int) -> RoomFigures:
    of_room = (room_nid,)
    rows = tx.all(
        "SELECT standing, count(*), count(CASE WHEN sub <> 0 THEN 1 END) FROM events"
        " WHERE room_nid = ? GROUP BY standing",
        of_room,
    )
    snapshots = tx.one("SELECT count(*) FROM state_snapshots WHERE room_nid = ?", of_room)
    assert snapshots is not None, "it counts"
    counts = {Standing(standing): (count, filled) for standing, count, filled in rows}
    return RoomFigures(
        events={standing: counts.get(standing, (0, 0))[0] for standing in Standing},
        filled=counts.get(Standing.ACCEPTED, (0, 0))[1],
        snapshots=snapshots[0],
    )


def _memberships(tx: Transaction, room_nid: int) -> dict[UserId, MembershipRecord]:
    rows = tx.all(
        "SELECT user_id, membership, event_nid FROM memberships WHERE room_nid = ?", (room_nid,)
    )
    return {UserId(user): MembershipRecord(membership, nid) for user, membership, nid in rows}
