"""What is known of events by their ids, without the events themselves."""

from __future__ import annotations

from collections.abc import Collection

from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.rooms.events import Standing
from homeserver.ports.rooms.known_events import KnownEvent


class SqlKnownEvents:
    """See :class:`homeserver.ports.rooms.known_events.KnownEvents`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def known(self, event_ids: Collection[EventId]) -> dict[EventId, KnownEvent]:
        return await self._transactions.read(_known, list(event_ids)) if event_ids else {}


def _known(tx: Transaction, event_ids: list[EventId]) -> dict[EventId, KnownEvent]:
    rows = tx.all(
        "SELECT event_id, event_nid, room_nid, type, state_key, standing, state_position"
        " FROM events"
        " WHERE event_id = ANY(?)",
        (event_ids,),
    )
    return {EventId(row[0]): _known_event(row) for row in rows}


def _known_event(row: Row) -> KnownEvent:
    _, nid, room_nid, type, state_key, standing, state_position = row
    key = (type, state_key) if state_key is not None else None
    return KnownEvent(nid, room_nid, key, Standing(standing), state_position)
