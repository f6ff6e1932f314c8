"""Counting what a user has not read."""

from __future__ import annotations

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.unread import Tally, ThreadTally

# The place up to which the user of m has read the room of m without regard to threads.
_READ_TO = """COALESCE((SELECT max(p.read_position) FROM receipts p
    WHERE p.room_nid = m.room_nid AND p.user_id = m.user_id AND p.thread_id = ''), 0)"""
_THREAD_READ_TO = """COALESCE((SELECT max(p.read_position) FROM receipts p
    WHERE p.room_nid = m.room_nid AND p.user_id = m.user_id
    AND p.thread_id = COALESCE({0}.thread_root, 'main')), 0)"""


class SqlUnreadStore:
    """See :class:`homeserver.ports.unread.UnreadStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def tallies(
        self, user_id: UserId, excluded: list[UserId], room_nids: list[int]
    ) -> list[Tally]:
        return await self._transactions.read(_tallies, user_id, excluded, room_nids)

    async def threads(
        self, user_id: UserId, excluded: list[UserId], room_nid: int, individual: bool
    ) -> list[ThreadTally]:
        return await self._transactions.read(_threads, user_id, excluded, room_nid, individual)


def _tallies(
    tx: Transaction, user_id: UserId, excluded: list[UserId], room_nids: list[int]
) -> list[Tally]:
    own = {
        room: (count, highlights)
        for room, count, highlights in tx.all(
            f"""SELECT m.room_nid, count(*), count(*) FILTER (WHERE e.room_highlight)
            FROM memberships m JOIN events e ON e.room_nid = m.room_nid
            WHERE m.user_id = ? AND m.room_nid = ANY(?) AND e.sender = ANY(?) AND e.notifies
            AND e.position > m.joined_position AND e.position > {_READ_TO} GROUP BY m.room_nid""",
            (user_id, room_nids, excluded),
        )
    }
    rows = {
        room: (notify, highlight)
        for room, notify, highlight in tx.all(
            f"""SELECT m.room_nid, count(*) FILTER (WHERE n.notify),
                count(*) FILTER (WHERE n.highlight)
            FROM memberships m JOIN notifications n
                ON n.room_nid = m.room_nid AND n.user_id = m.user_id
            WHERE m.user_id = ? AND m.room_nid = ANY(?)
            AND n.position > m.joined_position AND n.position > {_READ_TO} GROUP BY m.room_nid""",
            (user_id, room_nids),
        )
    }
    return [
        Tally(room, *own.get(room, (0, 0)), *rows.get(room, (0, 0)))
        for room in own.keys() | rows.keys()
    ]


def _threads(
    tx: Transaction, user_id: UserId, excluded: list[UserId], room_nid: int, individual: bool
) -> list[ThreadTally]:
    counts: dict[str | None, list[int]] = {}
    if not individual:
        for root, notify, highlight in tx.all(
            f"""SELECT e.thread_root, count(*), count(*) FILTER (WHERE e.room_highlight)
            FROM memberships m JOIN events e ON e.room_nid = m.room_nid
            WHERE m.user_id = ? AND m.room_nid = ? AND e.notifies AND NOT e.sender = ANY(?)
            AND e.position > m.joined_position AND e.position > {_READ_TO}
            AND e.position > {_THREAD_READ_TO.format("e")} GROUP BY e.thread_root""",
            (user_id, room_nid, excluded),
        ):
            counts[root] = [notify, highlight]
    for root, notify, highlight in tx.all(
        f"""SELECT n.thread_root, count(*) FILTER (WHERE n.notify),
            count(*) FILTER (WHERE n.highlight)
        FROM memberships m JOIN notifications n
            ON n.room_nid = m.room_nid AND n.user_id = m.user_id
        WHERE m.user_id = ? AND m.room_nid = ?
        AND n.position > m.joined_position AND n.position > {_READ_TO}
        AND n.position > {_THREAD_READ_TO.format("n")} GROUP BY n.thread_root""",
        (user_id, room_nid),
    ):
        entry = counts.setdefault(root, [0, 0])
        entry[0] += notify
        entry[1] += highlight
    return [
        ThreadTally(EventId(root) if root is not None else None, notify, highlight)
        for root, (notify, highlight) in counts.items()
    ]
