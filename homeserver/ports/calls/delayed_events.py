"""What the floors above ask of storage about events that are to be sent later (MSC4140)."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, RoomId, UserId


class Status(enum.Enum):
    """What has become of a delayed event."""

    SCHEDULED = "scheduled"
    SENT = "sent"
    CANCELLED = "cancelled"
    FAILED = "failed"


FINALISED = frozenset(Status) - {Status.SCHEDULED}


@attrs.frozen(slots=True)
class Finalisation:
    """The end of a delayed event: with the event that it became, with the error (a JSON object)
    that kept it from becoming one, or with neither because it was cancelled.

    ``by_action``: somebody asked for it, it was not due. ``ts`` is in milliseconds since the epoch.
    """

    ts: int
    event_id: EventId | None = None
    error: bytes | None = None
    by_action: bool = False

    @property
    def status(self) -> Status:
        """Which of the three it is."""
        if self.event_id is not None:
            return Status.SENT
        return Status.CANCELLED if self.error is None else Status.FAILED


@attrs.frozen(slots=True)
class DelayedEvent:
    """An event that ``user_id`` wants to be sent ``delay_ms`` after ``since_ts``.

    ``content`` is a JSON object; ``state_key`` is None for message events.
    """

    delay_id: str
    user_id: UserId
    room_id: RoomId
    type: str
    state_key: str | None
    content: bytes
    delay_ms: int
    since_ts: int
    finalised: Finalisation | None = None

    @property
    def send_ts(self) -> int:
        """When it is due."""
        return self.since_ts + self.delay_ms

    @property
    def status(self) -> Status:
        """What has become of it."""
        return Status.SCHEDULED if self.finalised is None else self.finalised.status


@attrs.frozen(slots=True)
class Scheduling:
    """A request to send an event later, from a device and, unless it may not be repeated, under a
    transaction ID."""

    event: DelayedEvent
    device_id: str
    txn_id: str | None


@attrs.frozen(slots=True)
class Allowance:
    """How many events a user may have scheduled, and which finalised ones are kept: the newest
    ``kept`` of a user, and those alone that were finalised since ``kept_since_ts``."""

    scheduled: int
    kept: int
    kept_since_ts: int


@attrs.frozen(slots=True)
class Scheduled:
    """It is, under this ID; or was before, by the request that this one repeats."""

    delay_id: str


@attrs.frozen(slots=True)
class TooMany:
    """The user has as many as allowed; the next of them is due at ``next_ts``."""

    next_ts: int


@attrs.frozen(slots=True)
class Selection:
    """Which delayed events of a user to list, in the order in which they are or were due.

    ``after`` is the (due time, delay ID) to go on from. None and an empty collection of IDs select
    everything.
    """

    statuses: Collection[Status] = frozenset(Status)
    room_id: str | None = None
    type: str | None = None
    delay_ids: Collection[str] = ()
    from_ts: int | None = None
    to_ts: int | None = None
    after: tuple[int, str] | None = None
    backwards: bool = False


class DelayedEventStore(Protocol):
    """Delayed events."""

    async def schedule(self, scheduling: Scheduling, allowance: Allowance) -> Scheduled | TooMany:
        """Keep an event for later, and forget finalised ones: the user's that are too many, and
        anybody's that are too old."""
        ...

    async def event(self, delay_id: str) -> DelayedEvent | None:
        """A delayed event, finalised or not."""
        ...

    async def restart(self, delay_id: str, since_ts: int) -> None:
        """Let the delay of a scheduled event begin anew."""
        ...

    async def finalise(self, delay_id: str, finalisation: Finalisation) -> None:
        """End a scheduled event."""
        ...

    async def due(self, now_ms: int, limit: int) -> list[DelayedEvent]:
        """Scheduled events that are due, the longest overdue first."""
        ...

    async def next_due(self) -> int | None:
        """When the next scheduled event is due."""
        ...

    async def listed(self, user_id: UserId, selection: Selection, limit: int) -> list[DelayedEvent]:
        """The first delayed events of a user that are selected."""
        ...
