"""Events of other servers between their arrival and their judgement."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.domain.room_versions import room_version
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.federation.staging import AnsweredTransaction, StagedPdu


class SqlStagingStore:
    """See :class:`homeserver.ports.federation.staging.StagingStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def stage(
        self, staged: Sequence[StagedPdu], transaction: AnsweredTransaction | None = None
    ) -> None:
        await self._transactions.write(_stage, staged, transaction)

    async def answer(self, origin: ServerName, txn_id: str) -> bytes | None:
        return await self._transactions.read(_answer, origin, txn_id)

    async def staged(self, after: int, limit: int) -> list[StagedPdu]:
        return await self._transactions.read(_staged, after, limit)

    async def last_arrival(self) -> int:
        return await self._transactions.read(_last_arrival)

    async def postpone(self, staged: StagedPdu) -> None:
        await self._transactions.write(_postpone, staged)

    async def remove(self, arrivals: Collection[int]) -> None:
        await self._transactions.write(_remove, list(arrivals))


def _stage(
    tx: Transaction, staged: Sequence[StagedPdu], transaction: AnsweredTransaction | None
) -> None:
    tx.insert(
        "INSERT INTO staged_pdus (arrival, origin, room_nid, event_id, pdu, attempts,"
        " retry_after_ts) VALUES",
        [
            (
                each.arrival,
                each.origin,
                each.room_nid,
                each.event.event_id,
                each.event.pdu,
                each.attempts,
                each.retry_after_ms,
            )
            for each in staged
        ],
    )
    if transaction is not None:
        tx.insert(
            "INSERT INTO received_transactions (origin, txn_id, answer) VALUES",
            [(transaction.origin, transaction.txn_id, transaction.answer)],
            "ON CONFLICT (origin) DO UPDATE SET txn_id = excluded.txn_id, answer = excluded.answer",
        )


def _answer(tx: Transaction, origin: str, txn_id: str) -> bytes | None:
    row = tx.one(
        "SELECT answer FROM received_transactions WHERE origin = ? AND txn_id = ?",
        (origin, txn_id),
    )
    return bytes(row[0]) if row is not None else None


def _staged(tx: Transaction, after: int, limit: int) -> list[StagedPdu]:
    rows = tx.all(
        "SELECT s.arrival, s.origin, s.room_nid, s.event_id, s.pdu, s.attempts, s.retry_after_ts,"
        " r.version FROM staged_pdus s JOIN rooms r ON r.room_nid = s.room_nid"
        " WHERE s.arrival > ? ORDER BY s.arrival LIMIT ?",
        (after, limit),
    )
    return list(map(_staged_pdu, rows))


def _staged_pdu(row: Row) -> StagedPdu:
    event = Event.from_pdu(bytes(row[4]), room_version(row[7]), EventId(row[3]))
    return StagedPdu(row[0], ServerName(row[1]), row[2], event, row[5], row[6])


def _last_arrival(tx: Transaction) -> int:
    row = tx.one("SELECT max(arrival) FROM staged_pdus")
    return row[0] or 0 if row is not None else 0


def _postpone(tx: Transaction, staged: StagedPdu) -> None:
    tx.execute(
        "UPDATE staged_pdus SET attempts = ?, retry_after_ts = ? WHERE arrival = ?",
        (staged.attempts, staged.retry_after_ms, staged.arrival),
    )


def _remove(tx: Transaction, arrivals: list[int]) -> None:
    tx.execute("DELETE FROM staged_pdus WHERE arrival = ANY(?)", (arrivals,))
