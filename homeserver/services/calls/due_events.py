"""One alarm for all delayed events: it rings when the next of them is due (MSC4140).

Which events are due is read from the database when it rings, so that nothing is lost in a crash. An
event that was restarted or cancelled meanwhile leaves an alarm that finds nothing and is set anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog
from twisted.internet.defer import Deferred

from homeserver.log.log import all_committed
from homeserver.ports.calls.delayed_events import DelayedEvent, DelayedEventStore
from homeserver.ports.clock import Clock, DelayedCall
from homeserver.services.calls.delivery import PASSING, Delivery

AT_ONCE: Final = 100
"""How many events are read and sent at a time."""

RETRY_MS: Final = 5000

log = structlog.get_logger(__name__)


class DueEvents:
    """Sends delayed events when they are due: those of a room in order, rooms side by side."""

    def __init__(self, store: DelayedEventStore, delivery: Delivery, clock: Clock) -> None:
        self._store = store
        self._delivery = delivery
        self._clock = clock
        self._next_ts: int | None = None
        self._alarm: DelayedCall | None = None
        self._sending = False
        self._stopping = False
        self._stopped: Deferred[None] = Deferred()

    async def resume(self) -> None:
        """Set the alarm for what was scheduled before the start; what is overdue is sent now."""
        next_ts = await self._store.next_due()
        if next_ts is not None:
            self.expect(next_ts)

    async def stop(self) -> None:
        """Begin nothing more, and wait for what is being sent; the rest is for the next start."""
        self._stopping = True
        self._set_alarm()
        if self._sending:
            await self._stopped

    def expect(self, send_ts: int) -> None:
        """An event is due then, in milliseconds since the epoch."""
        if self._next_ts is not None and self._next_ts <= send_ts:
            return
        self._next_ts = send_ts
        if not self._sending:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._next_ts is not None and not self._stopping:
            wait_ms = max(0, self._next_ts - self._clock.now_ms())
            self._alarm = self._clock.call_later(wait_ms / 1000, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._next_ts = None
        self._sending = True
        Deferred.fromCoroutine(self._send_and_look_ahead())

    async def _send_and_look_ahead(self) -> None:
        next_ts: int | None
        try:
            next_ts = await self._send_due()
        except PASSING as error:
            log.warning("delayed_events_wait", error=str(error))
            next_ts = self._clock.now_ms() + RETRY_MS
        except Exception as error:
            # Whatever it was, the other events must not wait for ever.
            log.error("delayed_events_wait", exc_info=error)
            next_ts = self._clock.now_ms() + RETRY_MS
        if next_ts is not None:
            self.expect(next_ts)
        self._sending = False
        self._set_alarm()
        if self._stopping:
            self._stopped.callback(None)

    async def _send_due(self) -> int | None:
        """Send all that is due; when the next event is."""
        while not self._stopping:
            due = await self._store.due(self._clock.now_ms(), AT_ONCE)
            if not due:
                return await self._store.next_due()
            rooms: dict[str, list[DelayedEvent]] = {}
            for delayed in due:
                rooms.setdefault(delayed.room_id, []).append(delayed)
            await all_committed(
                [Deferred.fromCoroutine(self._send_in_order(each)) for each in rooms.values()]
            )
        return None

    async def _send_in_order(self, events: Sequence[DelayedEvent]) -> None:
        for delayed in events:
            if self._stopping:
                return
            await self._delivery.when_due(delayed.delay_id)
