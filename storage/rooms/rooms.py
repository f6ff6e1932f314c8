"""Reading rooms, the history of their state, and who is in them."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.rooms.events import FOREVER, StoredEvent
from homeserver.ports.rooms.rooms import MemberRow, RoomRow, RoomSnapshot, StateSpan, UserRoom
from storage.rooms.events import COLUMNS, stored_event
from storage.rooms.receipts import receipts_of_rooms

_ROOM = "SELECT room_nid, room_id, version, shard, published FROM rooms"
_read_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SPAN = "SELECT type, state_key, event_nid, from_position, to_position FROM state_intervals"
_EVENTS = f"SELECT {COLUMNS} FROM rooms r JOIN events e ON"
_USER_ROOM = """
SELECT m.room_nid, r.room_id, r.shard, m.membership, m.event_nid, m.position, m.sender,
    m.joined_position, m.ordinal, m.room_highlight_ordinal, m.forgotten"""


class SqlRoomStore:
    """See :class:`homeserver.ports.rooms.rooms.RoomStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def find(self, room_ids: list[RoomId]) -> list[RoomRow]:
        return await self._transactions.read(_find, room_ids)

    async def load(self, room_nids: list[int], tail: int) -> list[RoomSnapshot]:
        return await self._transactions.read(_load, room_nids, tail)

    async def state_at(
        self, room_nid: int, position: int, types: list[str] | None = None
    ) -> list[StateSpan]:
        return await self._transactions.read(_state_at, room_nid, position, types)

    async def state_changes(self, room_nid: int, after: int, until: int) -> list[StateSpan]:
        return await self._transactions.read(_state_changes, room_nid, after, until)

    async def state_history(self, room_nid: int, keys: list[tuple[str, str]]) -> list[StateSpan]:
        return await self._transactions.read(_state_history, room_nid, keys)

    async def rooms_of_user(self, user_id: UserId) -> list[UserRoom]:
        return await self._transactions.read(_rooms_of_user, user_id)

    async def room_of_user(self, user_id: UserId, room_nid: int) -> UserRoom | None:
        return await self._transactions.read(_room_of_user, user_id, room_nid)

    async def joined_members(self, room_nid: int) -> list[tuple[UserId, str | None, str | None]]:
        return await self._transactions.read(_joined_members, room_nid)


def _room(row: Row) -> RoomRow:
    return RoomRow(row[0], RoomId(row[1]), row[2], row[3], bool(row[4]))


def _find(tx: Transaction, room_ids: list[RoomId]) -> list[RoomRow]:
    return list(map(_room, tx.all(f"{_ROOM} WHERE room_id = ANY(?)", (list(room_ids),))))


def _load(tx: Transaction, room_nids: list[int], tail: int) -> list[RoomSnapshot]:
    rooms = list(map(_room, tx.all(f"{_ROOM} WHERE room_nid = ANY(?)", (room_nids,))))
    state = _by_room(
        tx,
        f"""SELECT {COLUMNS} FROM state_intervals s
        JOIN events e ON e.event_nid = s.event_nid JOIN rooms r ON r.room_nid = s.room_nid
        WHERE s.room_nid = ANY(?) AND s.to_position = {FOREVER} AND s.type <> 'm.room.member'""",
        (room_nids,),
    )
    newest = _by_room(
        tx,
        f"""{_EVENTS} e.event_nid = ANY(ARRAY(
            SELECT t.event_nid FROM events t
            WHERE t.room_nid = r.room_nid AND t.position IS NOT NULL
            ORDER BY t.position DESC, t.sub DESC LIMIT ?
        )) WHERE r.room_nid = ANY(?)""",
        (tail + 1, room_nids),
    )
    extremities = _by_room(
        tx,
        f"""SELECT {COLUMNS} FROM forward_extremities f
        JOIN events e ON e.event_nid = f.event_nid JOIN rooms r ON r.room_nid = f.room_nid
        WHERE f.room_nid = ANY(?)""",
        (room_nids,),
    )
    members: dict[int, list[MemberRow]] = defaultdict(list)
    for room_nid, user_id, membership, nid, name in tx.all(
        "SELECT room_nid, user_id, membership, event_nid, display_name FROM memberships"
        " WHERE room_nid = ANY(?) ORDER BY event_nid",
        (room_nids,),
    ):
        members[room_nid].append(MemberRow(UserId(user_id), membership, nid, name))
    told: dict[int, dict[UserId, list[bytes]]] = defaultdict(dict)
    for room_nid, user_id, stripped_state in tx.all(
        "SELECT room_nid, user_id, stripped_state FROM out_of_band_memberships"
        " WHERE room_nid = ANY(?)",
        (room_nids,),
    ):
        told[room_nid][UserId(user_id)] = [bytes(e) for e in _read_array(stripped_state)]
    receipts = receipts_of_rooms(tx, room_nids)
    resolved = _positions(tx, "resolved_states", room_nids)
    gaps = _positions(tx, "room_gaps", room_nids, "sub = 0")
    related = _related(tx, [e.event.event_id for events in newest.values() for e in events])
    snapshots = []
    for room in rooms:
        events = sorted(newest[room.room_nid], key=lambda e: e.order)
        older = len(events) > tail
        # After another server's state has become the current one, the next event follows what that
        # server says.
        follows = events[-1:]
        if follows and resolved.get(room.room_nid, 0) > follows[0].position:
            follows = []
        snapshots.append(
            RoomSnapshot(
                row=room,
                state=state[room.room_nid],
                members=members[room.room_nid],
                tail=events[-tail:],
                extremities=extremities[room.room_nid] or follows,
                receipts=receipts[room.room_nid],
                related=[e.event.event_id for e in events if e.event.event_id in related],
                older=older,
                resolved_position=resolved.get(room.room_nid, 0),
                gap_position=gaps.get(room.room_nid, 0),
                told=told[room.room_nid],
            )
        )
    return snapshots


def _positions(
    tx: Transaction, table: str, room_nids: list[int], condition: str = "position > 0"
) -> dict[int, int]:
    """The last position that a table has for each of some rooms."""
    return dict(
        tx.all(
            f"SELECT room_nid, max(position) FROM {table}"
            f" WHERE room_nid = ANY(?) AND {condition} GROUP BY room_nid",
            (room_nids,),
        )
    )


def _related(tx: Transaction, event_ids: list[EventId]) -> set[EventId]:
    """Which of these events others relate to."""
    rows = tx.all(
        "SELECT DISTINCT target_event_id FROM relations WHERE target_event_id = ANY(?)",
        (event_ids,),
    )
    return {EventId(row[0]) for row in rows}


def _by_room(
    tx: Transaction, sql: str, parameters: tuple[object, ...]
) -> dict[int, list[StoredEvent]]:
    found: dict[int, list[StoredEvent]] = defaultdict(list)
    for row in tx.all(sql, parameters):
        event = stored_event(row)
        found[event.room_nid].append(event)
    return found


def _span(row: Row) -> StateSpan:
    return StateSpan(*row)


def _state_at(
    tx: Transaction, room_nid: int, position: int, types: list[str] | None
) -> list[StateSpan]:
    sql = f"{_SPAN} WHERE room_nid = ? AND from_position <= ? AND to_position > ?"
    parameters: tuple[object, ...] = (room_nid, position, position)
    if types is not None:
        sql += " AND type = ANY(?)"
        parameters += (types,)
    return list(map(_span, tx.all(sql, parameters)))


def _state_changes(tx: Transaction, room_nid: int, after: int, until: int) -> list[StateSpan]:
    rows = tx.all(
        f"{_SPAN} WHERE room_nid = ? AND from_position > ? AND from_position <= ?"
        " AND to_position > ? ORDER BY from_position",
        (room_nid, after, until, until),
    )
    return list(map(_span, rows))


def _state_history(tx: Transaction, room_nid: int, keys: list[tuple[str, str]]) -> list[StateSpan]:
    wanted = " OR ".join(["(type = ? AND state_key = ?)"] * len(keys))
    rows = tx.all(
        f"{_SPAN} WHERE room_nid = ? AND ({wanted}) ORDER BY from_position",
        (room_nid, *(part for key in keys for part in key)),
    )
    return list(map(_span, rows))


def _user_room(row: Row) -> UserRoom:
    return UserRoom(
        row[0], RoomId(row[1]), row[2], row[3], row[4], row[5], UserId(row[6]), row[7], row[8],
        row[9], bool(row[10]), *row[11:],
    )  # fmt: skip


def _rooms_of_user(tx: Transaction, user_id: UserId) -> list[UserRoom]:
    rows = tx.all(
        f"""{_USER_ROOM}, COALESCE((
            SELECT max(e.position) FROM events e WHERE e.room_nid = m.room_nid), 0)
        FROM memberships m JOIN rooms r ON r.room_nid = m.room_nid WHERE m.user_id = ?""",
        (user_id,),
    )
    receipts: dict[int, int | None] = dict(
        tx.all(
            """SELECT m.room_nid, (
                SELECT max(p.position) FROM receipts p WHERE p.room_nid = m.room_nid)
            FROM memberships m WHERE m.user_id = ? AND m.membership = 'join'""",
            (user_id,),
        )
    )
    return [_user_room((*row[:11], max(row[11], receipts.get(row[0]) or 0))) for row in rows]


def _room_of_user(tx: Transaction, user_id: UserId, room_nid: int) -> UserRoom | None:
    row = tx.one(
        f"{_USER_ROOM} FROM memberships m JOIN rooms r ON r.room_nid = m.room_nid"
        " WHERE m.user_id = ? AND m.room_nid = ?",
        (user_id, room_nid),
    )
    return _user_room(row) if row is not None else None


def _joined_members(tx: Transaction, room_nid: int) -> list[tuple[UserId, str | None, str | None]]:
    rows = tx.all(
        "SELECT user_id, display_name, avatar_url FROM memberships"
        " WHERE room_nid = ? AND membership = 'join'",
        (room_nid,),
    )
    return [(UserId(user_id), name, avatar) for user_id, name, avatar in rows]
