"""What the floors above ask of storage about reports of content."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, RoomId, UserId


@attrs.frozen(slots=True)
class Report:
    """A user found an event, a room or a user inappropriate.

    A report names a user, or a room, or an event and its room. ``reason`` may be empty.
    """

    report_id: str
    reporter: UserId
    reason: str
    received_ts: int
    room_id: RoomId | None = None
    event_id: EventId | None = None
    user_id: UserId | None = None


class ReportStore(Protocol):
    """Reports, for the administrators to read."""

    async def add(self, report: Report) -> None:
        """Keep a report."""
        ...

    async def newest(self, limit: int) -> list[Report]:
        """The reports that came last, newest first."""
        ...
