"""Filling gaps of timelines."""

from __future__ import annotations

import json

from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.gaps import Filling
from storage.rooms.room_log import insert_snapshots, replace_events, storable_text


class SqlGapStore:
    """See :class:`homeserver.ports.rooms.gaps.GapStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def fill(self, filling: Filling) -> None:
        await self._transactions.write(_fill, filling)


def _fill(tx: Transaction, filling: Filling) -> None:
    replace_events(tx, [*filling.placed, *filling.outside])
    insert_snapshots(tx, filling.snapshots)
    tx.insert(
        "INSERT INTO relations (event_nid, room_nid, target_event_id, rel_type, type, sender,"
        " aggregation_key, position, sub) VALUES",
        [
            (
                stored.nid,
                stored.room_nid,
                storable_text(relation.target_event_id),
                storable_text(relation.rel_type),
                stored.event.type,
                stored.event.sender,
                storable_text(relation.aggregation_key),
                stored.position,
                stored.sub,
            )
            for stored, relation in filling.related
        ],
        "ON CONFLICT (event_nid) DO NOTHING",
    )
    _redact(tx, filling)
    _move_gap(tx, filling)


def _redact(tx: Transaction, filling: Filling) -> None:
    tx.insert(
        "UPDATE events SET redacted_by = v.column2, pdu = v.column3 FROM (VALUES",
        [(r.target_nid, r.redacted_by, r.pdu) for r in filling.redactions],
        ") AS v WHERE events.event_nid = v.column1",
    )
    related = [r.target_nid for r in filling.redactions if r.was_related]
    if related:
        tx.execute("DELETE FROM relations WHERE event_nid = ANY(?)", (related,))


def _move_gap(tx: Transaction, filling: Filling) -> None:
    gap, left = filling.gap, filling.left
    tx.execute(
        "DELETE FROM room_gaps WHERE room_nid = ? AND position = ? AND sub = ?",
        (filling.room_nid, gap.position, gap.sub),
    )
    if left is not None:
        tx.insert(
            "INSERT INTO room_gaps (room_nid, position, sub, event_ids) VALUES",
            [(filling.room_nid, left.position, left.sub, json.dumps(left.event_ids))],
            "ON CONFLICT (room_nid, position, sub) DO UPDATE SET event_ids = excluded.event_ids",
        )
