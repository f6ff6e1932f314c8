"""When something happened in rooms last, and of what kind they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.events import FOREVER
from homeserver.ports.rooms.room_activity import LastEvent, RoomKind
from storage.rooms.events import COLUMNS, stored_event

_LAST = """
SELECT r.room_nid, e.position, e.origin_server_ts FROM rooms r JOIN events e
ON e.event_nid = ANY(ARRAY(
    SELECT t.event_nid FROM events t WHERE t.room_nid = r.room_nid AND t.position IS NOT NULL {}
    ORDER BY t.position DESC, t.sub DESC LIMIT 1
)) WHERE r.room_nid = ANY(?)"""
_KINDS = f"""
SELECT {COLUMNS} FROM state_intervals s
JOIN events e ON e.event_nid = s.event_nid JOIN rooms r ON r.room_nid = s.room_nid
WHERE s.room_nid = ANY(?) AND s.type = ANY(?) AND s.state_key = '' AND s.to_position = {FOREVER}"""


class SqlRoomActivityStore:
    """See :class:`homeserver.ports.rooms.room_activity.RoomActivityStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def last_events(self, room_nids: Sequence[int]) -> list[LastEvent]:
        return await self._transactions.read(_last_events, list(room_nids))

    async def last_events_of_types(
        self, room_nids: Sequence[int], types: Sequence[str]
    ) -> list[LastEvent]:
        return await self._transactions.read(_last_events_of_types, list(room_nids), list(types))

    async def events(self, event_nids: Sequence[int]) -> list[LastEvent]:
        return await self._transactions.read(_events, list(event_nids))

    async def emptied_places(self, room_nid: int, after: int, until: int) -> list[tuple[str, str]]:
        return await self._transactions.read(_emptied_places, room_nid, after, until)

    async def kinds(self, room_nids: Sequence[int]) -> list[RoomKind]:
        return await self._transactions.read(_kinds, list(room_nids))


def _last_events(tx: Transaction, room_nids: list[int]) -> list[LastEvent]:
    return [LastEvent(*row) for row in tx.all(_LAST.format(""), (room_nids,))]


def _last_events_of_types(
    tx: Transaction, room_nids: list[int], types: list[str]
) -> list[LastEvent]:
    rows = tx.all(_LAST.format("AND t.type = ANY(?)"), (types, room_nids))
    return [LastEvent(*row) for row in rows]


def _events(tx: Transaction, event_nids: list[int]) -> list[LastEvent]:
    rows = tx.all(
        "SELECT room_nid, position, origin_server_ts FROM events"
        " WHERE event_nid = ANY(?) AND position IS NOT NULL",
        (event_nids,),
    )
    return [LastEvent(*row) for row in rows]


def _emptied_places(
    tx: Transaction, room_nid: int, after: int, until: int
) -> list[tuple[str, str]]:
    rows = tx.all(
        """SELECT DISTINCT s.type, s.state_key FROM state_intervals s
        WHERE s.room_nid = ? AND s.to_position > ? AND s.to_position <= ? AND NOT EXISTS (
            SELECT 1 FROM state_intervals n WHERE n.room_nid = s.room_nid AND n.type = s.type
            AND n.state_key = s.state_key AND n.from_position <= ? AND n.to_position > ?
        ) ORDER BY s.type, s.state_key""",
        (room_nid, after, until, until, until),
    )
    return [(type, state_key) for type, state_key in rows]


def _kinds(tx: Transaction, room_nids: list[int]) -> list[RoomKind]:
    types: dict[int, str | None] = {}
    encrypted: dict[int, bool] = defaultdict(bool)
    for row in tx.all(_KINDS, (room_nids, ["m.room.create", "m.room.encryption"])):
        stored = stored_event(row)
        if stored.event.type == "m.room.create":
            room_type = stored.event.content.get("type")
            types[stored.room_nid] = room_type if isinstance(room_type, str) else None
        else:
            encrypted[stored.room_nid] = True
    return [RoomKind(nid, room_type, encrypted[nid]) for nid, room_type in types.items()]
