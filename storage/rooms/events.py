"""Reading events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, UserId
from homeserver.domain.room_versions import room_version
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.rooms.events import OUTSIDE, Standing, StoredEvent
from homeserver.ports.rooms.rooms import Order

COLUMNS = """e.event_nid, e.event_id, e.room_nid, e.position, e.sub, e.state_position,
    e.replaces_nid, e.ordinal, e.room_highlight_ordinal, e.notifies, e.room_highlight,
    e.thread_root, e.device_id, e.txn_id, e.redacted_by, e.pdu, r.version,
    e.standing"""
_FROM = f"SELECT {COLUMNS} FROM events e JOIN rooms r ON r.room_nid = e.room_nid"


def stored_event(row: Row) -> StoredEvent:
    """A stored event of a row of COLUMNS."""
    return StoredEvent(
        event=Event.from_pdu(row[15], room_version(row[16]), EventId(row[1])),
        nid=row[0],
        room_nid=row[2],
        position=row[3] if row[3] is not None else OUTSIDE,
        sub=row[4],
        state_position=row[5],
        replaces_nid=row[6],
        ordinal=row[7],
        room_highlight_ordinal=row[8],
        notifies=bool(row[9]),
        room_highlight=bool(row[10]),
        thread_root=row[11],
        device_id=row[12],
        txn_id=row[13],
        redacted_by=row[14],
        standing=Standing(row[17]),
    )


def select_by_nid(tx: Transaction, nids: Iterable[int]) -> list[StoredEvent]:
    """Events by number, for other stores to use within their work."""
    wanted = list(nids)
    if not wanted:
        return []
    return list(map(stored_event, tx.all(f"{_FROM} WHERE e.event_nid = ANY(?)", (wanted,))))


class SqlEventStore:
    """See :class:`homeserver.ports.rooms.rooms.EventStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def by_nid(self, nids: list[int]) -> list[StoredEvent]:
        return await self._transactions.read(select_by_nid, nids) if nids else []

    async def by_id(self, event_ids: list[EventId]) -> list[StoredEvent]:
        return await self._transactions.read(_by_id, event_ids) if event_ids else []

    async def timeline(
        self,
        room_nid: int,
        *,
        after: Order | None = None,
        until: Order | None = None,
        backwards: bool,
        limit: int,
    ) -> list[StoredEvent]:
        return await self._transactions.read(_timeline, room_nid, after, until, backwards, limit)

    async def transactions(
        self, room_nid: int, sender: UserId, device_id: str, limit: int
    ) -> list[tuple[str, str, EventId]]:
        return await self._transactions.read(_transactions, room_nid, sender, device_id, limit)

    async def by_transaction(
        self, room_nid: int, sender: UserId, device_id: str, txn_id: str, type: str
    ) -> EventId | None:
        return await self._transactions.read(
            _by_transaction, room_nid, sender, device_id, txn_id, type
        )

    async def nearest_to_time(
        self, room_nid: int, ts: int, *, backwards: bool, limit: int
    ) -> list[StoredEvent]:
        return await self._transactions.read(_nearest_to_time, room_nid, ts, backwards, limit)


def _by_id(tx: Transaction, event_ids: list[EventId]) -> list[StoredEvent]:
    return list(map(stored_event, tx.all(f"{_FROM} WHERE e.event_id = ANY(?)", (event_ids,))))


def _timeline(
    tx: Transaction,
    room_nid: int,
    after: Order | None,
    until: Order | None,
    backwards: bool,
    limit: int,
) -> list[StoredEvent]:
    where, parameters = ["e.room_nid = ?", "e.position IS NOT NULL"], [room_nid]
    if after is not None:
        where.append("(e.position, e.sub) > (?, ?)")
        parameters += after
    if until is not None:
        where.append("(e.position, e.sub) <= (?, ?)")
        parameters += until
    direction = "DESC" if backwards else "ASC"
    rows = tx.all(
        f"{_FROM} WHERE {' AND '.join(where)}"
        f" ORDER BY e.position {direction}, e.sub {direction} LIMIT ?",
        (*parameters, limit),
    )
    return list(map(stored_event, rows))


def _transactions(
    tx: Transaction, room_nid: int, sender: str, device_id: str, limit: int
) -> list[tuple[str, str, EventId]]:
    rows: list[Any] = tx.all(
        "SELECT txn_id, type, event_id FROM events WHERE room_nid = ? AND sender = ?"
        " AND device_id = ? AND txn_id IS NOT NULL ORDER BY event_nid DESC LIMIT ?",
        (room_nid, sender, device_id, limit),
    )
    return rows


def _by_transaction(
    tx: Transaction, room_nid: int, sender: str, device_id: str, txn_id: str, type: str
) -> EventId | None:
    row = tx.one(
        "SELECT event_id FROM events WHERE room_nid = ? AND sender = ? AND device_id = ?"
        " AND txn_id = ? AND type = ?",
        (room_nid, sender, device_id, txn_id, type),
    )
    return EventId(row[0]) if row is not None else None


def _nearest_to_time(
    tx: Transaction, room_nid: int, ts: int, backwards: bool, limit: int
) -> list[StoredEvent]:
    comparison, direction = ("<=", "DESC") if backwards else (">=", "ASC")
    rows = tx.all(
        f"{_FROM} WHERE e.room_nid = ? AND e.origin_server_ts {comparison} ?"
        " AND e.position IS NOT NULL"
        f" ORDER BY e.origin_server_ts {direction}, e.position {direction} LIMIT ?",
        (room_nid, ts, limit),
    )
    return list(map(stored_event, rows))
