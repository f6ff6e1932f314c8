"""Relations between events."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.relations import Onlooker, Related, ThreadSummary
from homeserver.ports.rooms.rooms import Order
from storage.rooms.events import select_by_nid


class SqlRelationStore:
    """See :class:`homeserver.ports.rooms.relations.RelationStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def bundled(self, event_ids: list[EventId], onlooker: Onlooker) -> Related:
        return await self._transactions.read(_bundled, event_ids, onlooker)

    async def having_related(
        self,
        room_nid: int,
        event_ids: list[EventId],
        *,
        rel_types: list[str] | None,
        senders: list[str] | None,
    ) -> list[EventId]:
        return await self._transactions.read(
            _having_related, room_nid, event_ids, rel_types, senders
        )

    async def related(
        self,
        room_nid: int,
        target: EventId,
        *,
        rel_type: str | None,
        event_type: str | None,
        after: Order | None,
        until: Order | None,
        backwards: bool,
        limit: int,
        recurse_depth: int,
    ) -> list[tuple[int, int]]:
        wanted = _Wanted(rel_type, event_type, after, until)
        return await self._transactions.read(
            _related, room_nid, target, wanted, backwards, limit, recurse_depth
        )

    async def threads(
        self, room_nid: int, *, participated_by: UserId | None, before: int | None, limit: int
    ) -> list[tuple[EventId, int]]:
        return await self._transactions.read(_threads, room_nid, participated_by, before, limit)

    async def has_annotation(
        self, target: EventId, sender: UserId, event_type: str, key: str
    ) -> bool:
        return await self._transactions.read(_has_annotation, target, sender, event_type, key)


def _bundled(tx: Transaction, event_ids: list[EventId], onlooker: Onlooker) -> Related:
    edits, references = [], []
    ignored = list(onlooker.ignored)
    for target, rel_type, room_nid, nid, event_id in tx.all(
        "SELECT x.target_event_id, x.rel_type, x.room_nid, x.event_nid, e.event_id FROM relations x"
        " JOIN events e ON e.event_nid = x.event_nid WHERE x.target_event_id = ANY(?)"
        " AND x.rel_type IN ('m.replace', 'm.reference') AND x.position <= ?"
        " AND NOT x.sender = ANY(?) ORDER BY x.position, x.sub",
        (event_ids, onlooker.until, ignored),
    ):
        if rel_type == "m.replace":
            edits.append((EventId(target), nid))
        else:
            references.append((room_nid, EventId(target), EventId(event_id)))
    edit_events = {e.nid: e for e in select_by_nid(tx, (nid for _, nid in edits))}
    threads = [
        ThreadSummary(room_nid, EventId(root), count, latest, bool(own))
        for room_nid, root, count, latest, own in tx.all(
            "SELECT x.room_nid, x.target_event_id, count(*), max(x.event_nid),"
            " count(*) FILTER (WHERE x.sender = ?) FROM relations x"
            " WHERE x.target_event_id = ANY(?) AND x.rel_type = 'm.thread' AND x.position <= ?"
            " AND NOT x.sender = ANY(?) GROUP BY x.room_nid, x.target_event_id",
            (onlooker.user_id, event_ids, onlooker.until, ignored),
        )
    ]
    return Related(
        [(target, edit_events[nid]) for target, nid in edits if nid in edit_events],
        references,
        threads,
    )


def _having_related(
    tx: Transaction,
    room_nid: int,
    event_ids: list[EventId],
    rel_types: list[str] | None,
    senders: list[str] | None,
) -> list[EventId]:
    where = "room_nid = ? AND target_event_id = ANY(?)"
    parameters: list[object] = [room_nid, event_ids]
    if rel_types is not None:
        where += " AND rel_type = ANY(?)"
        parameters.append(rel_types)
    if senders is not None:
        where += " AND sender = ANY(?)"
        parameters.append(senders)
    rows = tx.all(f"SELECT DISTINCT target_event_id FROM relations WHERE {where}", parameters)
    return [EventId(event_id) for (event_id,) in rows]


@attrs.frozen
class _Wanted:
    """Which of the events that relate to one are asked for."""

    rel_type: str | None
    event_type: str | None
    after: Order | None
    until: Order | None

    def where(self) -> tuple[str, list[object]]:
        """The condition, and its parameters."""
        where: list[str] = []
        parameters: list[object] = []
        if self.rel_type is not None:
            where.append("rel_type = ?")
            parameters.append(self.rel_type)
        if self.event_type is not None:
            where.append("type = ?")
            parameters.append(self.event_type)
        if self.after is not None:
            where.append("(position, sub) > (?, ?)")
            parameters += self.after
        if self.until is not None:
            where.append("(position, sub) <= (?, ?)")
            parameters += self.until
        return (f"WHERE {' AND '.join(where)}" if where else ""), parameters


def _related(
    tx: Transaction,
    room_nid: int,
    target: EventId,
    wanted: _Wanted,
    backwards: bool,
    limit: int,
    recurse_depth: int,
) -> list[tuple[int, int]]:
    direction = "DESC" if backwards else "ASC"
    where, parameters = wanted.where()
    # Events that relate to each other in a circle are found at several depths.
    rows = tx.all(
        f"""WITH RECURSIVE found (event_nid, rel_type, type, position, sub, depth) AS (
            SELECT event_nid, rel_type, type, position, sub, 1 FROM relations
            WHERE target_event_id = ? AND room_nid = ?
            UNION
            SELECT x.event_nid, x.rel_type, x.type, x.position, x.sub, f.depth + 1
            FROM found f JOIN events e ON e.event_nid = f.event_nid
            JOIN relations x ON x.target_event_id = e.event_id AND x.room_nid = ?
            WHERE f.depth < ?
        )
        SELECT event_nid, min(depth) FROM found {where} GROUP BY event_nid, position, sub
        ORDER BY position {direction}, sub {direction} LIMIT ?""",
        (target, room_nid, room_nid, recurse_depth, *parameters, limit),
    )
    return [(nid, depth) for nid, depth in rows]


def _threads(
    tx: Transaction,
    room_nid: int,
    participated_by: UserId | None,
    before: int | None,
    limit: int,
) -> list[tuple[EventId, int]]:
    having = ""
    parameters: list[object] = [room_nid]
    if participated_by is not None:
        having += """ AND (count(*) FILTER (WHERE x.sender = ?) > 0 OR EXISTS (
            SELECT 1 FROM events r WHERE r.event_id = x.target_event_id AND r.sender = ?))"""
        parameters += [participated_by, participated_by]
    if before is not None:
        having += " AND max(x.position) < ?"
        parameters.append(before)
    rows = tx.all(
        f"""SELECT x.target_event_id, max(x.position) FROM relations x
        WHERE x.room_nid = ? AND x.rel_type = 'm.thread' GROUP BY x.target_event_id
        HAVING 1 = 1{having} ORDER BY max(x.position) DESC LIMIT ?""",
        (*parameters, limit),
    )
    return [(EventId(root), position) for root, position in rows]


def _has_annotation(
    tx: Transaction, target: EventId, sender: UserId, event_type: str, key: str
) -> bool:
    row = tx.one(
        "SELECT 1 FROM relations WHERE target_event_id = ? AND rel_type = 'm.annotation'"
        " AND sender = ? AND type = ? AND aggregation_key = ?",
        (target, sender, event_type, key),
    )
    return row is not None
