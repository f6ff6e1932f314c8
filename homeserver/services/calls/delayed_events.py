"""Events that are sent later, unless somebody thinks better of it (MSC4140).

A call's client schedules that it leaves, and keeps putting that off for as long as it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.errors import Forbidden, InvalidParam, LimitExceeded, NotFound, TooLarge
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.requester import Requester
from homeserver.ports.calls.delayed_events import (
    Allowance,
    DelayedEvent,
    DelayedEventStore,
    Scheduling,
    Selection,
    TooMany,
)
from homeserver.ports.clock import Clock
from homeserver.rooms.event_rows import require_storable
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.calls.delay_limits import (
    KEPT,
    KEPT_MS,
    MAX_CONTENT_BYTES,
    DelayLimits,
    MaxDelayExceeded,
)
from homeserver.services.calls.due_events import DueEvents
from homeserver.services.messages.transactions import NO_DEVICE


@attrs.frozen(slots=True)
class Postponed:
    """An event to send ``delay_ms`` from now; ``state_key`` None for a message event."""

    room_id: RoomId
    type: str
    state_key: str | None
    content: JsonObject
    delay_ms: int


class Scheduler(Protocol):
    """Takes in events that are to be sent later."""

    async def schedule(self, requester: Requester, postponed: Postponed, txn_id: str | None) -> str:
        """Schedule an event, once for each transaction; its delay ID."""
        ...


class NoDelays:
    """Where events are sent at once or not at all."""

    async def schedule(self, requester: Requester, postponed: Postponed, txn_id: str | None) -> str:
        """See :class:`Scheduler`. Raises Forbidden."""
        raise Forbidden("This server does not delay events")


class DelayedEvents:
    """Schedules events, and shows users theirs. ``new_delay_id`` gives an ID that nobody can
    guess, as whoever knows it may restart, send and cancel the event."""

    def __init__(
        self,
        store: DelayedEventStore,
        due: DueEvents,
        clock: Clock,
        limits: DelayLimits,
        new_delay_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._due = due
        self._clock = clock
        self._limits = limits
        self._new_delay_id = new_delay_id

    async def schedule(self, requester: Requester, postponed: Postponed, txn_id: str | None) -> str:
        """Schedule an event, once for each transaction; its delay ID.

        Whether the requester may send it is for the time when it is sent. Raises InvalidParam,
        MaxDelayExceeded, BadJson, TooLarge, and LimitExceeded for too many scheduled events.
        """
        require_not_suspended(requester)
        now_ms = self._clock.now_ms()
        event = DelayedEvent(
            self._new_delay_id(),
            requester.user_id,
            postponed.room_id,
            postponed.type,
            postponed.state_key,
            self._content(postponed, txn_id),
            postponed.delay_ms,
            now_ms,
        )
        outcome = await self._store.schedule(
            Scheduling(event, requester.device_id or NO_DEVICE, txn_id),
            Allowance(self._limits.max_scheduled, KEPT, now_ms - KEPT_MS),
        )
        if isinstance(outcome, TooMany):
            raise LimitExceeded(
                max(1, outcome.next_ts - now_ms),
                "The maximum number of delayed events has been reached",
            )
        self._due.expect(event.send_ts)
        return outcome.delay_id

    def _content(self, postponed: Postponed, txn_id: str | None) -> bytes:
        """The content of an event that could be sent."""
        if postponed.delay_ms < 1:
            raise InvalidParam("The delay must be a positive number of milliseconds")
        if postponed.delay_ms > self._limits.max_delay_ms:
            raise MaxDelayExceeded(self._limits.max_delay_ms)
        content = postponed.content
        require_storable(postponed.type, postponed.state_key, txn_id, content)
        encoded = encode_canonical_json(content)
        names = f"{postponed.type}{postponed.state_key or ''}{txn_id or ''}"
        if len(encoded) + len(names.encode()) > MAX_CONTENT_BYTES:
            raise TooLarge("The event is too large")
        return encoded

    async def one(self, user_id: UserId, delay_id: str) -> DelayedEvent:
        """A delayed event of a user. Raises NotFound."""
        delayed = await self._store.event(delay_id)
        if delayed is None or delayed.user_id != user_id:
            raise NotFound("You have no such delayed event")
        return delayed

    async def listed(self, user_id: UserId, selection: Selection, limit: int) -> list[DelayedEvent]:
        """The first of a user's delayed events that are selected."""
        return await self._store.listed(user_id, selection, limit)
