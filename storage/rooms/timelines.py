"""The timelines of many rooms at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order
from homeserver.ports.rooms.timelines import Newest, Sought
from storage.rooms.events import COLUMNS, stored_event

_ALL: Order = (-1, 0)
"""Before every event of a room."""

# Where the newest events of each room begin: the position of the one before them, if there is one.
# A subquery for each room walks the index; as a join the events of all rooms would be counted.
_BEGINNINGS = """SELECT r.room_nid, (
    SELECT e.position FROM events e WHERE e.room_nid = r.room_nid AND e.position <= ?
    ORDER BY e.position DESC, e.sub DESC LIMIT 1 OFFSET ?
) AS position FROM rooms r WHERE r.room_nid = ANY(?)"""


class SqlTimelineStore:
    """See :class:`homeserver.ports.rooms.timelines.TimelineStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def newest(
        self, room_nids: Sequence[int], until: int, count: int, sought: Sought
    ) -> dict[int, Newest]:
        return await self._transactions.read(_newest, list(room_nids), until, count, sought)

    async def having_related(
        self,
        event_ids: Sequence[EventId],
        *,
        rel_types: Collection[str] | None,
        senders: Collection[str] | None,
    ) -> set[tuple[int, EventId]]:
        return await self._transactions.read(_having_related, list(event_ids), rel_types, senders)


def _newest(
    tx: Transaction, room_nids: list[int], until: int, count: int, sought: Sought
) -> dict[int, Newest]:
    wanted, parameters = _conditions([("e.type", sought.types), ("e.sender", sought.senders)])
    if wanted:
        wanted = f" AND (e.state_key IS NOT NULL OR ({wanted}))"
    events: dict[int, list[StoredEvent]] = {nid: [] for nid in room_nids}
    for row in tx.all(
        f"""WITH beginnings AS MATERIALIZED ({_BEGINNINGS})
        SELECT {COLUMNS} FROM beginnings b JOIN rooms r ON r.room_nid = b.room_nid
        JOIN events e ON e.room_nid = b.room_nid AND e.position > COALESCE(b.position, -1)
            AND e.position <= ?{wanted}
        ORDER BY e.position, e.sub""",
        (until, count, room_nids, until, *parameters),
    ):
        stored = stored_event(row)
        events[stored.room_nid].append(stored)
    after: dict[int, Order] = {
        nid: (position, 0)
        for nid, position in tx.all(_BEGINNINGS, (until, count, room_nids))
        if position is not None
    }
    return {nid: Newest(found, after.get(nid, _ALL)) for nid, found in events.items()}


def _having_related(
    tx: Transaction,
    event_ids: list[EventId],
    rel_types: Collection[str] | None,
    senders: Collection[str] | None,
) -> set[tuple[int, EventId]]:
    wanted, parameters = _conditions([("x.rel_type", rel_types), ("x.sender", senders)])
    rows = tx.all(
        "SELECT DISTINCT x.room_nid, x.target_event_id FROM relations x"
        f" WHERE x.target_event_id = ANY(?){' AND ' if wanted else ''}{wanted}",
        (event_ids, *parameters),
    )
    return {(room_nid, EventId(event_id)) for room_nid, event_id in rows}


def _conditions(
    choices: Sequence[tuple[str, Collection[str] | None]],
) -> tuple[str, list[list[str]]]:
    """That columns have one of the values chosen for them, and the parameters."""
    made = [(column, list(values)) for column, values in choices if values is not None]
    return " AND ".join(f"{column} = ANY(?)" for column, _ in made), [values for _, values in made]
