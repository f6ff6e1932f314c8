"""Relations between events."""

from __future__ import annotations

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.relations import Related, ThreadSummary
from homeserver.ports.rooms import Order
from storage.events import select_by_nid


class SqlRelationStore:
    """See :class:`homeserver.ports.relations.RelationStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def bundled(self, event_ids: list[EventId], reader: UserId) -> Related:
        return await self._transactions.read(_bundled, event_ids, reader)

    async def related(
        self,
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
        return await self._transactions.read(
            _related, target, rel_type, event_type, after, until, backwards, limit, recurse_depth
        )

    async def threads(
        self, room_nid: int, *, participated_by: UserId | None, before: int | None, limit: int
    ) -> list[tuple[EventId, int]]:
        return await self._transactions.read(_threads, room_nid, participated_by, before, limit)

    async def has_annotation(
        self, target: EventId, sender: UserId, event_type: str, key: str
    ) -> bool:
        return await self._transactions.read(_has_annotation, target, sender, event_type, key)


def _bundled(tx: Transaction, event_ids: list[EventId], reader: UserId) -> Related:
    edits, references = [], []
    for target, rel_type, nid, event_id in tx.all(
        "SELECT x.target_event_id, x.rel_type, x.event_nid, e.event_id FROM relations x"
        " JOIN events e ON e.event_nid = x.event_nid WHERE x.target_event_id = ANY(?)"
        " AND x.rel_type IN ('m.replace', 'm.reference') ORDER BY x.position, x.sub",
        (event_ids,),
    ):
        if rel_type == "m.replace":
            edits.append((EventId(target), nid))
        else:
            references.append((EventId(target), EventId(event_id)))
    edit_events = {e.nid: e for e in select_by_nid(tx, (nid for _, nid in edits))}
    threads = [
        ThreadSummary(EventId(root), count, latest, bool(own))
        for root, count, latest, own in tx.all(
            "SELECT x.target_event_id, count(*), max(x.event_nid),"
            " count(*) FILTER (WHERE x.sender = ?) FROM relations x"
            " WHERE x.target_event_id = ANY(?) AND x.rel_type = 'm.thread'"
            " GROUP BY x.target_event_id",
            (reader, event_ids),
        )
    ]
    return Related(
        [(target, edit_events[nid]) for target, nid in edits if nid in edit_events],
        references,
        threads,
    )


def _related(
    tx: Transaction,
    target: EventId,
    rel_type: str | None,
    event_type: str | None,
    after: Order | None,
    until: Order | None,
    backwards: bool,
    limit: int,
    recurse_depth: int,
) -> list[tuple[int, int]]:
    where: list[str] = []
    parameters: list[object] = [target, recurse_depth]
    if rel_type is not None:
        where.append("rel_type = ?")
        parameters.append(rel_type)
    if event_type is not None:
        where.append("type = ?")
        parameters.append(event_type)
    if after is not None:
        where.append("(position, sub) > (?, ?)")
        parameters += after
    if until is not None:
        where.append("(position, sub) <= (?, ?)")
        parameters += until
    direction = "DESC" if backwards else "ASC"
    rows = tx.all(
        f"""WITH RECURSIVE found (event_nid, rel_type, type, position, sub, depth) AS (
            SELECT event_nid, rel_type, type, position, sub, 1 FROM relations
            WHERE target_event_id = ?
            UNION
            SELECT x.event_nid, x.rel_type, x.type, x.position, x.sub, f.depth + 1
            FROM found f JOIN events e ON e.event_nid = f.event_nid
            JOIN relations x ON x.target_event_id = e.event_id WHERE f.depth < ?
        )
        SELECT event_nid, depth FROM found {"WHERE " + " AND ".join(where) if where else ""}
        ORDER BY position {direction}, sub {direction} LIMIT ?""",
        (*parameters, limit),
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
