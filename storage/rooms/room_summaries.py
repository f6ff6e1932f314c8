"""Rooms as their current state describes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId
from homeserver.domain.room_summary import SUMMARY_TYPES, RoomSummary, summarise
from homeserver.domain.room_versions import room_version
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.events import FOREVER, StoredEvent
from storage.rooms.events import COLUMNS, stored_event

_STATE = f"""
SELECT {COLUMNS} FROM state_intervals s
JOIN events e ON e.event_nid = s.event_nid JOIN rooms r ON r.room_nid = s.room_nid
WHERE s.room_nid = ANY(?) AND s.type = ANY(?) AND s.state_key = '' AND s.to_position = {FOREVER}"""
_CHILDREN = f"""
SELECT {COLUMNS} FROM rooms r JOIN state_intervals s ON s.room_nid = r.room_nid
JOIN events e ON e.event_nid = s.event_nid
WHERE r.room_id = ? AND s.type = 'm.space.child' AND s.to_position = {FOREVER}"""


class SqlRoomSummaryStore:
    """See :class:`homeserver.ports.rooms.room_summaries.RoomSummaryStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def summaries(self, room_ids: Sequence[RoomId]) -> dict[RoomId, RoomSummary]:
        return await self._transactions.read(_summaries, list(room_ids)) if room_ids else {}

    async def children(self, room_id: RoomId) -> list[StoredEvent]:
        return await self._transactions.read(_children, room_id)


def select_summaries(
    tx: Transaction, rooms: dict[int, tuple[RoomId, str]]
) -> dict[int, RoomSummary]:
    """The summaries of rooms, given and answered by number; for other stores to use in their work.

    ``rooms`` holds the ID and the version of each room.
    """
    nids = list(rooms)
    joined: dict[int, int] = dict(
        tx.all(
            "SELECT room_nid, count(*) FROM memberships WHERE room_nid = ANY(?)"
            " AND membership = 'join' GROUP BY room_nid",
            (nids,),
        )
    )
    contents: dict[int, dict[str, JsonObject]] = defaultdict(dict)
    for event in map(stored_event, tx.all(_STATE, (nids, list(SUMMARY_TYPES)))):
        contents[event.room_nid][event.event.type] = event.event.content
    return {
        nid: summarise(room_id, room_version(version), joined.get(nid, 0), contents[nid])
        for nid, (room_id, version) in rooms.items()
    }


def _summaries(tx: Transaction, room_ids: list[RoomId]) -> dict[RoomId, RoomSummary]:
    rows = tx.all(
        "SELECT room_nid, room_id, version FROM rooms r WHERE room_id = ANY(?) AND EXISTS ("
        "SELECT 1 FROM state_intervals s WHERE s.room_nid = r.room_nid)",
        (room_ids,),
    )
    # Rooms that this server has only heard of, by an invite, have no state here.
    found = select_summaries(tx, {nid: (RoomId(room), version) for nid, room, version in rows})
    return {summary.room_id: summary for summary in found.values()}


def _children(tx: Transaction, room_id: RoomId) -> list[StoredEvent]:
    return list(map(stored_event, tx.all(_CHILDREN, (room_id,))))
