"""Receipts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.database import Transaction
from homeserver.ports.rooms.receipts import ReceiptRow

_COLUMNS = """room_nid, user_id, receipt_type, thread_id, event_id, ts, position, read_position,
    read_sub, read_ordinal, read_room_highlight_ordinal"""
_CONFLICT = """ON CONFLICT (room_nid, user_id, receipt_type, thread_id) DO UPDATE SET
    event_id = excluded.event_id, ts = excluded.ts, position = excluded.position,
    read_position = excluded.read_position, read_sub = excluded.read_sub,
    read_ordinal = excluded.read_ordinal,
    read_room_highlight_ordinal = excluded.read_room_highlight_ordinal"""
# What a receipt has passed is read for good, as receipts never move back: nobody counts it again.
# Parameters: users, rooms.
_DELETE_READ = """DELETE FROM notifications WHERE user_id = ANY(?) AND room_nid = ANY(?)
    AND EXISTS (
        SELECT 1 FROM receipts r
        WHERE r.room_nid = notifications.room_nid AND r.user_id = notifications.user_id
        AND r.read_position >= notifications.position
        AND r.thread_id IN ('', COALESCE(notifications.thread_root, 'main'))
    )"""


def receipts_of_rooms(tx: Transaction, room_nids: list[int]) -> dict[int, list[ReceiptRow]]:
    """The receipts of some rooms, by room, oldest first; for other stores to use in their work."""
    found: dict[int, list[ReceiptRow]] = defaultdict(list)
    for row in tx.all(
        f"SELECT {_COLUMNS} FROM receipts WHERE room_nid = ANY(?) ORDER BY position", (room_nids,)
    ):
        found[row[0]].append(
            ReceiptRow(row[0], UserId(row[1]), row[2], row[3], EventId(row[4]), *row[5:])
        )
    return found


class SqlReceiptStore:
    """See :class:`homeserver.ports.rooms.receipts.ReceiptStore`."""

    def put(self, tx: Transaction, receipts: Sequence[ReceiptRow]) -> None:
        tx.insert(
            f"INSERT INTO receipts ({_COLUMNS}) VALUES",
            [
                (
                    r.room_nid,
                    r.user_id,
                    r.receipt_type,
                    r.thread_id,
                    r.event_id,
                    r.ts,
                    r.position,
                    r.read_position,
                    r.read_sub,
                    r.read_ordinal,
                    r.read_room_highlight_ordinal,
                )
                for r in receipts
            ],
            _CONFLICT,
        )
        users, rooms = {r.user_id for r in receipts}, {r.room_nid for r in receipts}
        if receipts:
            tx.execute(_DELETE_READ, (list(users), list(rooms)))
