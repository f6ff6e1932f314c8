"""How far other servers have been sent what is theirs, and what lies behind that."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.federation.outbound import (
    CursorChanges,
    MissedEvent,
    Positions,
    Presence,
    PublicReceipt,
    SavedCursors,
    ServerMove,
    TouchedRooms,
    Window,
)
from homeserver.ports.rooms.events import FOREVER, make_nid

FLOOR = ServerName("")

# What a server has to be sent: events of this server's users, and those that it relays, while the
# other one was in the room.
_MISSED = """FROM room_servers s
    JOIN rooms r ON r.room_nid = s.room_nid
    JOIN {window} AS w ON w.column1 = r.shard AND s.until_position > w.column2
    JOIN events e ON e.room_nid = s.room_nid AND e.sub = 0
        AND e.position > w.column2 AND e.position <= w.column3
        AND e.position >= s.from_position AND e.position <= s.until_position
    WHERE s.server_name = ? AND (e.sender LIKE ? OR EXISTS (
        SELECT 1 FROM relayed_events x WHERE x.event_id = e.event_id
    ))"""


class SqlOutboundStore:
    """See :class:`homeserver.ports.federation.outbound.OutboundStore`."""

    def __init__(self, transactions: Transactions, own_name: ServerName) -> None:
        self._transactions = transactions
        self._own_users = f"%:{own_name}"

    async def cursors(self) -> SavedCursors:
        return await self._transactions.read(_cursors)

    async def save(self, changes: CursorChanges) -> None:
        await self._transactions.write(_save, changes)

    async def touched(self, window: Window) -> TouchedRooms:
        return await self._transactions.read(_touched, window, self._own_users)

    async def missed_events(
        self, server: ServerName, window: Window, limit: int
    ) -> list[MissedEvent]:
        return await self._transactions.read(_missed_events, server, window, limit, self._own_users)

    async def newest_missed(self, server: ServerName, window: Window) -> list[MissedEvent]:
        return await self._transactions.read(_newest_missed, server, window, self._own_users)

    async def missed_receipts(
        self, server: ServerName, window: Window, limit: int
    ) -> list[PublicReceipt]:
        return await self._transactions.read(
            _missed_receipts, server, window, limit, self._own_users
        )

    async def relayed(self, noted_after_ts: int) -> list[EventId]:
        return await self._transactions.write(_relayed, noted_after_ts)

    async def relay(self, event_id: EventId, now_ms: int) -> None:
        await self._transactions.write(_relay, event_id, now_ms)

    async def servers_in(self, room_nids: Collection[int]) -> set[ServerName]:
        return await self._transactions.read(_servers_in, list(room_nids)) if room_nids else set()

    async def has_peers(self) -> bool:
        return await self._transactions.read(_has_peers)


def window_rows(window: Window) -> tuple[str, list[int]]:
    """Rows of (shard, after, until) to join with, and their parameters."""
    marks = ", ".join(["(?, ?, ?)"] * len(window.after))
    places = zip(window.after, window.until, strict=True)
    values = [
        value for shard, (after, until) in enumerate(places) for value in (shard, after, until)
    ]
    return f"(VALUES {marks})", values


def _text(positions: Positions) -> str:
    return "_".join(map(str, positions))


def _positions(text: str) -> Positions:
    return tuple(map(int, text.split("_")))


def _cursors(tx: Transaction) -> SavedCursors:
    rows = tx.all("SELECT destination, token FROM federation_cursors")
    saved = {ServerName(name): _positions(token) for name, token in rows}
    floor = saved.pop(FLOOR, None)
    return SavedCursors(floor, saved)


def _save(tx: Transaction, changes: CursorChanges) -> None:
    _note_presences(tx, changes.presences)
    _note_moves(tx, changes.moves)
    if changes.caught_up:
        tx.execute(
            "DELETE FROM federation_cursors WHERE destination = ANY(?)", (list(changes.caught_up),)
        )
    tokens = {FLOOR: changes.floor, **changes.behind}
    tx.insert(
        "INSERT INTO federation_cursors (destination, token) VALUES",
        [(name, _text(positions)) for name, positions in tokens.items()],
        "ON CONFLICT (destination) DO UPDATE SET token = excluded.token",
    )


def _note_presences(tx: Transaction, presences: Sequence[Presence]) -> None:
    """Make the rows of rooms agree with the servers that are in them."""
    here = {(each.room_nid, server) for each in presences for server in each.servers}
    positions = {each.room_nid: each.position for each in presences}
    rows = tx.all(
        f"""SELECT room_nid, server_name FROM room_servers
        WHERE until_position = {FOREVER} AND room_nid = ANY(?)""",
        (list(positions),),
    )
    known = {(room_nid, ServerName(name)) for room_nid, name in rows}
    moves = [ServerMove(name, nid, positions[nid], True) for nid, name in here - known]
    moves += [ServerMove(name, nid, positions[nid], False) for nid, name in known - here]
    _note_moves(tx, moves)


def _note_moves(tx: Transaction, moves: Sequence[ServerMove]) -> None:
    """Begin and end rows; several moves of a server in a room are carried out one by one."""
    waves: list[list[ServerMove]] = []
    counted: dict[tuple[int, ServerName], int] = {}
    for move in moves:
        wave = counted.get((move.room_nid, move.server), 0)
        counted[move.room_nid, move.server] = wave + 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(move)
    for each in waves:
        _begin_and_end(tx, each)


def _begin_and_end(tx: Transaction, moves: Sequence[ServerMove]) -> None:
    tx.insert(
        """INSERT INTO room_servers (server_name, room_nid, from_position, until_position)
        SELECT v.column1, v.column2, v.column3, v.column4 FROM (VALUES""",
        [
            (move.server, move.room_nid, move.position, FOREVER if move.is_in else move.position)
            for move in moves
            if move.is_in is not False
        ],
        f""") AS v WHERE NOT EXISTS (
            SELECT 1 FROM room_servers s WHERE s.server_name = v.column1
                AND s.room_nid = v.column2 AND s.until_position = {FOREVER}
        ) ON CONFLICT DO NOTHING""",
    )
    tx.insert(
        "UPDATE room_servers SET until_position = v.column3 FROM (VALUES",
        [(move.server, move.room_nid, move.position) for move in moves if move.is_in is False],
        f""") AS v WHERE room_servers.server_name = v.column1
            AND room_servers.room_nid = v.column2 AND room_servers.until_position = {FOREVER}""",
    )


def _touched(tx: Transaction, window: Window, own_users: str) -> TouchedRooms:
    rows, places = window_rows(window)
    # The numbers of rows tell when they were born, so no index of positions is needed.
    numbers = [
        make_nid(place, shard)
        for shard, ends in enumerate(zip(window.after, window.until, strict=True))
        for place in ends
    ]
    ranges = ", ".join(["(CAST(? AS BIGINT), CAST(? AS BIGINT))"] * len(window.after))
    rooms = tx.all(
        f"""SELECT e.room_nid, min(e.position), max(r.shard) FROM (VALUES {ranges}) AS n
        JOIN events e ON e.event_nid > n.column1 AND e.event_nid <= n.column2
        JOIN rooms r ON r.room_nid = e.room_nid
        JOIN {rows} AS w ON w.column1 = r.shard
            AND e.position > w.column2 AND e.position <= w.column3
        WHERE e.sender LIKE ? OR e.type = 'm.room.member'
            OR EXISTS (SELECT 1 FROM relayed_events x WHERE x.event_id = e.event_id)
        GROUP BY e.room_nid""",
        (*numbers, *places, own_users),
    )
    keys = tx.all(
        f"""SELECT c.user_id, c.shard, c.position FROM device_list_changes c
        JOIN {rows} AS w ON w.column1 = c.shard
            AND c.position > w.column2 AND c.position <= w.column3
        WHERE c.user_id LIKE ?""",
        (*places, own_users),
    )
    return TouchedRooms(
        {nid: (shard, position) for nid, position, shard in rooms},
        {UserId(user_id): (shard, position) for user_id, shard, position in keys},
    )


def _missed_events(
    tx: Transaction, server: ServerName, window: Window, limit: int, own_users: str
) -> list[MissedEvent]:
    rows, places = window_rows(window)
    found = tx.all(
        f"""SELECT DISTINCT r.shard, e.position, e.event_nid {_MISSED.format(window=rows)}
        ORDER BY e.position, e.event_nid LIMIT ?""",
        (*places, server, own_users, limit),
    )
    return [MissedEvent(*row) for row in found]


def _newest_missed(
    tx: Transaction, server: ServerName, window: Window, own_users: str
) -> list[MissedEvent]:
    rows, places = window_rows(window)
    # The number of a row grows with its position, but for what was known before it had one.
    found = tx.all(
        f"""SELECT max(r.shard), max(e.position), max(e.event_nid) {_MISSED.format(window=rows)}
        GROUP BY e.room_nid ORDER BY max(e.position)""",
        (*places, server, own_users),
    )
    return [MissedEvent(*row) for row in found]


def _missed_receipts(
    tx: Transaction, server: ServerName, window: Window, limit: int, own_users: str
) -> list[PublicReceipt]:
    rows, places = window_rows(window)
    found = tx.all(
        f"""SELECT r.room_id, x.user_id, x.thread_id, x.event_id, x.ts, r.shard, x.position
        FROM room_servers s JOIN rooms r ON r.room_nid = s.room_nid
        JOIN {rows} AS w ON w.column1 = r.shard
        JOIN receipts x ON x.room_nid = s.room_nid
            AND x.position > w.column2 AND x.position <= w.column3
        WHERE s.server_name = ? AND s.until_position = {FOREVER}
            AND x.receipt_type = 'm.read' AND x.user_id LIKE ?
        ORDER BY x.position DESC LIMIT ?""",
        (*places, server, own_users, limit),
    )
    return [
        PublicReceipt(RoomId(room), UserId(user), thread, EventId(event), ts, shard, position)
        for room, user, thread, event, ts, shard, position in found
    ]


def _relayed(tx: Transaction, noted_after_ts: int) -> list[EventId]:
    tx.execute("DELETE FROM relayed_events WHERE noted_ts < ?", (noted_after_ts,))
    return [EventId(row[0]) for row in tx.all("SELECT event_id FROM relayed_events")]


def _relay(tx: Transaction, event_id: EventId, now_ms: int) -> None:
    tx.execute(
        "INSERT INTO relayed_events (event_id, noted_ts) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (event_id, now_ms),
    )


def _has_peers(tx: Transaction) -> bool:
    return tx.one("SELECT 1 FROM room_servers LIMIT 1") is not None


def _servers_in(tx: Transaction, room_nids: list[int]) -> set[ServerName]:
    rows = tx.all(
        f"""SELECT DISTINCT server_name FROM room_servers
        WHERE room_nid = ANY(?) AND until_position = {FOREVER}""",
        (room_nids,),
    )
    return {ServerName(row[0]) for row in rows}
