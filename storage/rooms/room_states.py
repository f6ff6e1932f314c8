"""States of rooms at any event, and events outside timelines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.events import SnapshotRow, StateAt, StoredEvent
from homeserver.ports.rooms.states import Gap
from storage.rooms.room_log import insert_snapshots, replace_events

# A state is asked for whole, or for few places: beyond this many it is read whole.
_FEW_KEYS = 50

_SNAPSHOTS = """
WITH RECURSIVE below (snapshot_nid, base, depth, delta) AS (
    SELECT snapshot_nid, base, depth, delta FROM state_snapshots WHERE snapshot_nid = ?
    UNION ALL
    SELECT s.snapshot_nid, s.base, s.depth, s.delta
    FROM below b JOIN state_snapshots s ON s.snapshot_nid = -b.base
)
SELECT base, delta FROM below ORDER BY depth"""


class SqlRoomStateStore:
    """See :class:`homeserver.ports.rooms.states.RoomStateStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def places(
        self, room_nid: int, state: StateAt, keys: Collection[StateKey] | None = None
    ) -> dict[StateKey, int]:
        wanted = list(keys) if keys is not None else None
        return await self._transactions.read(_places, room_nid, state, wanted)

    async def ids(self, nids: Collection[int]) -> dict[int, EventId]:
        return await self._transactions.read(_ids, list(nids)) if nids else {}

    async def depth(self, snapshot_nid: int) -> int:
        return await self._transactions.read(_depth, snapshot_nid)

    async def store_outside(
        self, events: Sequence[StoredEvent], snapshots: Sequence[SnapshotRow] = ()
    ) -> None:
        await self._transactions.write(_store_outside, events, snapshots)

    async def note_early_redaction(self, target: EventId, redaction: EventId) -> None:
        await self._transactions.write(_note_early_redaction, target, redaction)

    async def early_redactions(self, targets: Collection[EventId]) -> dict[EventId, list[EventId]]:
        return await self._transactions.read(_early_redactions, list(targets)) if targets else {}

    async def gaps(self, room_nid: int) -> list[Gap]:
        return await self._transactions.read(_gaps, room_nid)


def _places(
    tx: Transaction, room_nid: int, state: StateAt, keys: list[StateKey] | None
) -> dict[StateKey, int]:
    position = state.base
    deltas: list[Iterable[tuple[StateKey, int | None]]] = []
    if state.base < 0:
        rows = tx.all(_SNAPSHOTS, (-state.base,))
        position = rows[0][0]
        for _, text in rows:
            deltas.append([((type, key), nid) for type, key, nid in json.loads(text)])
    deltas.append(state.delta.items())
    places: dict[StateKey, int] = _history(tx, room_nid, position, keys)
    for delta in deltas:
        for key, nid in delta:
            if nid is None:
                places.pop(key, None)
            else:
                places[key] = nid
    if keys is None:
        return places
    return {key: places[key] for key in keys if key in places}


def _history(
    tx: Transaction, room_nid: int, position: int, keys: list[StateKey] | None
) -> dict[StateKey, int]:
    sql = (
        "SELECT type, state_key, event_nid FROM state_intervals"
        " WHERE room_nid = ? AND from_position <= ? AND to_position > ?"
    )
    parameters: list[object] = [room_nid, position, position]
    if keys is not None and len(keys) <= _FEW_KEYS:
        if not keys:
            return {}
        sql += f" AND ({' OR '.join(['(type = ? AND state_key = ?)'] * len(keys))})"
        parameters += (part for key in keys for part in key)
    return {(type, key): nid for type, key, nid in tx.all(sql, parameters)}


def _ids(tx: Transaction, nids: list[int]) -> dict[int, EventId]:
    rows = tx.all("SELECT event_nid, event_id FROM events WHERE event_nid = ANY(?)", (nids,))
    return {nid: EventId(event_id) for nid, event_id in rows}


def _depth(tx: Transaction, snapshot_nid: int) -> int:
    row = tx.one("SELECT depth FROM state_snapshots WHERE snapshot_nid = ?", (snapshot_nid,))
    return int(row[0]) if row is not None else 0


def _store_outside(
    tx: Transaction, events: Sequence[StoredEvent], snapshots: Sequence[SnapshotRow]
) -> None:
    replace_events(tx, events)
    insert_snapshots(tx, snapshots)


def _note_early_redaction(tx: Transaction, target: EventId, redaction: EventId) -> None:
    tx.insert(
        "INSERT INTO early_redactions (target_event_id, redaction_event_id) VALUES",
        [(target, redaction)],
        "ON CONFLICT DO NOTHING",
    )


def _early_redactions(tx: Transaction, targets: list[EventId]) -> dict[EventId, list[EventId]]:
    found: dict[EventId, list[EventId]] = defaultdict(list)
    for target, redaction in tx.all(
        "SELECT target_event_id, redaction_event_id FROM early_redactions"
        " WHERE target_event_id = ANY(?)",
        (targets,),
    ):
        found[EventId(target)].append(EventId(redaction))
    return found


def _gaps(tx: Transaction, room_nid: int) -> list[Gap]:
    rows = tx.all(
        "SELECT position, sub, event_ids FROM room_gaps WHERE room_nid = ? ORDER BY position, sub",
        (room_nid,),
    )
    return [Gap(p, sub, tuple(map(EventId, json.loads(ids)))) for p, sub, ids in rows]
