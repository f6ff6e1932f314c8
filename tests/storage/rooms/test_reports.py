"""Reports of content."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.reports import Report
from storage.rooms.reports import SqlReportStore

REPORT = Report(
    "r1", UserId("@bob:hs"), "rude", 1_700_000_000_000, RoomId("!r:hs"), EventId("$e"), None
)


async def test_reports_are_read_newest_first(transactions: Transactions) -> None:
    store = SqlReportStore(transactions)
    later = attrs.evolve(
        REPORT, report_id="r2", received_ts=REPORT.received_ts + 1, event_id=None, reason=""
    )
    latest = Report("r3", UserId("@bob:hs"), "", later.received_ts + 1, user_id=UserId("@eve:hs"))
    for report in (later, latest, REPORT):
        await store.add(report)

    assert await store.newest(10) == [latest, later, REPORT]
    assert await store.newest(1) == [latest]
