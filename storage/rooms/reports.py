"""Reports of content."""

from __future__ import annotations

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.rooms.reports import Report

_COLUMNS = "report_id, reporter, reason, received_ts, room_id, event_id, user_id"


class SqlReportStore:
    """See :class:`homeserver.ports.rooms.reports.ReportStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def add(self, report: Report) -> None:
        await self._transactions.write(_add, report)

    async def newest(self, limit: int) -> list[Report]:
        return await self._transactions.read(_newest, limit)


def _add(tx: Transaction, report: Report) -> None:
    tx.execute(
        f"INSERT INTO reports ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            report.report_id,
            report.reporter,
            report.reason,
            report.received_ts,
            report.room_id,
            report.event_id,
            report.user_id,
        ),
    )


def _newest(tx: Transaction, limit: int) -> list[Report]:
    rows = tx.all(f"SELECT {_COLUMNS} FROM reports ORDER BY received_ts DESC LIMIT ?", (limit,))
    return list(map(_report, rows))


def _report(row: Row) -> Report:
    report_id, reporter, reason, received_ts, room_id, event_id, user_id = row
    return Report(
        report_id,
        UserId(reporter),
        reason,
        received_ts,
        room_id=RoomId(room_id) if room_id is not None else None,
        event_id=EventId(event_id) if event_id is not None else None,
        user_id=UserId(user_id) if user_id is not None else None,
    )
