"""Events as other servers get them."""

from __future__ import annotations

from collections.abc import Collection

from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.federation.stored_pdus import StoredPdu
from homeserver.ports.rooms.events import Standing

_SELECT = "SELECT event_nid, event_id, room_nid, standing, pdu FROM events"


class SqlStoredPdus:
    """See :class:`homeserver.ports.federation.stored_pdus.StoredPdus`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def by_nid(self, nids: Collection[int]) -> list[StoredPdu]:
        return await self._transactions.read(_by_nid, list(nids)) if nids else []

    async def by_id(self, event_ids: Collection[EventId]) -> list[StoredPdu]:
        return await self._transactions.read(_by_id, list(event_ids)) if event_ids else []


def _by_nid(tx: Transaction, nids: list[int]) -> list[StoredPdu]:
    return list(map(_stored_pdu, tx.all(f"{_SELECT} WHERE event_nid = ANY(?)", (nids,))))


def _by_id(tx: Transaction, event_ids: list[EventId]) -> list[StoredPdu]:
    return list(map(_stored_pdu, tx.all(f"{_SELECT} WHERE event_id = ANY(?)", (event_ids,))))


def _stored_pdu(row: Row) -> StoredPdu:
    nid, event_id, room_nid, standing, pdu = row
    return StoredPdu(nid, EventId(event_id), room_nid, Standing(standing), bytes(pdu))
