"""Counting what a user has not read."""

from __future__ import annotations

from collections import defaultdict

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.unread import Place, Tally, ThreadTally

# Up to where the user has read each room without regard to threads: their last join, their
# unthreaded receipts, and their newest message. Parameters: (user, rooms) three times.
_READ = """read AS MATERIALIZED (
    SELECT p.room_nid, max(p.position) AS position FROM (
        SELECT m.room_nid, m.joined_position AS position FROM memberships m
        WHERE m.user_id = ? AND m.room_nid = ANY(?)
        UNION ALL
        SELECT r.room_nid, r.read_position FROM receipts r
        WHERE r.user_id = ? AND r.room_nid = ANY(?) AND r.thread_id = ''
        UNION ALL
        SELECT m.room_nid, (
            SELECT max(e.position) FROM events e
            WHERE e.room_nid = m.room_nid AND e.sender = m.user_id AND e.notifies
        ) FROM memberships m WHERE m.user_id = ? AND m.room_nid = ANY(?)
    ) p GROUP BY p.room_nid
)"""
# The same for each thread that has receipts of its own. Parameters: user, rooms.
_READ_THREADS = """threads AS MATERIALIZED (
    SELECT r.room_nid, r.thread_id, max(r.read_position) AS position FROM receipts r
    WHERE r.user_id = ? AND r.room_nid = ANY(?) AND r.thread_id <> ''
    GROUP BY r.room_nid, r.thread_id
)"""
_OWN = """
SELECT m.room_nid, e.position, e.ordinal, e.room_highlight_ordinal FROM memberships m
JOIN events e ON e.room_nid = m.room_nid AND e.sender = m.user_id AND e.notifies AND e.position = (
    SELECT max(o.position) FROM events o
    WHERE o.room_nid = m.room_nid AND o.sender = m.user_id AND o.notifies AND o.position <= ?
) WHERE m.user_id = ? AND m.room_nid = ANY(?)"""
# Both counts of a room at once, "12 3", by a subquery for each room: as a join it would make
# PostgreSQL read the events of all rooms.
_COUNTS = "SELECT count(*) || ' ' || count(*) FILTER (WHERE e.room_highlight) FROM events e"
_EXCLUDED = f"""
WITH {_READ}
SELECT t.room_nid, (
    {_COUNTS} WHERE e.room_nid = t.room_nid AND e.position > t.position
    AND e.sender = ANY(?) AND e.notifies AND e.position <= ?
) FROM read t"""
_ROWS = """
    count(*) FILTER (WHERE n.notify), count(*) FILTER (WHERE n.highlight),
    count(*) FILTER (WHERE n.notify AND NOT e.notifies),
    count(*) FILTER (WHERE n.highlight AND NOT e.room_highlight)
FROM read t
JOIN notifications n ON n.room_nid = t.room_nid AND n.user_id = ? AND n.position > t.position
JOIN events e ON e.room_nid = n.room_nid AND e.position = n.position AND e.sub = 0"""
_OWN_ROWS = f"""
WITH {_READ}
SELECT n.room_nid, {_ROWS}
WHERE NOT e.sender = ANY(?) AND n.position <= ? GROUP BY n.room_nid"""
_THREAD_ROWS = f"""
WITH {_READ}, {_READ_THREADS}
SELECT n.room_nid, n.thread_root, {_ROWS}
LEFT JOIN threads s ON s.room_nid = n.room_nid AND s.thread_id = COALESCE(n.thread_root, 'main')
WHERE NOT e.sender = ANY(?) AND n.position <= ? AND (s.position IS NULL OR n.position > s.position)
GROUP BY n.room_nid, n.thread_root"""
_MAIN_TIMELINES = f"""
WITH {_READ}, {_READ_THREADS}, main AS MATERIALIZED (
    SELECT p.room_nid, max(p.position) AS position FROM (
        SELECT room_nid, position FROM read
        UNION ALL SELECT room_nid, position FROM threads WHERE thread_id = 'main'
    ) p GROUP BY p.room_nid
)
SELECT t.room_nid, (
    {_COUNTS} WHERE e.room_nid = t.room_nid AND e.position > t.position
    AND e.notifies AND e.thread_root IS NULL AND NOT e.sender = ANY(?) AND e.position <= ?
) FROM main t"""
_THREADS = f"""
WITH {_READ}, {_READ_THREADS}
SELECT e.room_nid, e.thread_root, count(*), count(*) FILTER (WHERE e.room_highlight) FROM read t
JOIN events e ON e.room_nid = t.room_nid AND e.thread_root IS NOT NULL AND e.notifies
LEFT JOIN threads s ON s.room_nid = e.room_nid AND s.thread_id = e.thread_root
WHERE e.position > t.position AND NOT e.sender = ANY(?) AND e.position <= ?
AND (s.position IS NULL OR e.position > s.position)
GROUP BY e.room_nid, e.thread_root"""


class SqlUnreadStore:
    """See :class:`homeserver.ports.rooms.unread.UnreadStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def tallies(
        self, user_id: UserId, ignored: list[UserId], room_nids: list[int], until: int
    ) -> list[Tally]:
        return await self._transactions.read(_tallies, user_id, ignored, room_nids, until)

    async def threads(
        self,
        user_id: UserId,
        ignored: list[UserId],
        room_nids: list[int],
        until: int,
        *,
        individual: list[int],
    ) -> list[ThreadTally]:
        return await self._transactions.read(
            _threads, user_id, ignored, room_nids, until, frozenset(individual)
        )


def _tallies(
    tx: Transaction, user_id: UserId, ignored: list[UserId], room_nids: list[int], until: int
) -> list[Tally]:
    read = (user_id, room_nids) * 3
    own = {room: Place(*place) for room, *place in tx.all(_OWN, (until, user_id, room_nids))}
    excluded = {}
    if ignored:
        excluded = {
            room: _split(counts) for room, counts in tx.all(_EXCLUDED, (*read, ignored, until))
        }
    rows = {room: counts for room, *counts in tx.all(_OWN_ROWS, (*read, user_id, ignored, until))}
    return [
        Tally(room, own.get(room), *excluded.get(room, (0, 0)), *rows.get(room, (0, 0, 0, 0)))
        for room in own.keys() | excluded.keys() | rows.keys()
    ]


def _threads(
    tx: Transaction,
    user_id: UserId,
    ignored: list[UserId],
    room_nids: list[int],
    until: int,
    individual: frozenset[int],
) -> list[ThreadTally]:
    read = (user_id, room_nids) * 4
    excluded = [user_id, *ignored]
    counts: dict[tuple[int, EventId | None], list[int]] = defaultdict(lambda: [0, 0])
    for room, both in tx.all(_MAIN_TIMELINES, (*read, excluded, until)):
        if room not in individual:
            counts[room, None] = _split(both)
    for room, root, notify, highlight in tx.all(_THREADS, (*read, excluded, until)):
        if room not in individual:
            counts[room, root] = [notify, highlight]
    for room, root, *own in tx.all(_THREAD_ROWS, (*read, user_id, ignored, until)):
        notify, highlight = own[:2] if room in individual else own[2:]
        counts[room, root][0] += notify
        counts[room, root][1] += highlight
    return [ThreadTally(room, root, *found) for (room, root), found in counts.items()]


def _split(counts: str) -> list[int]:
    return [int(count) for count in counts.split(" ")]
