"""The end of a delayed event: it is sent, refused or cancelled, and that is noted (MSC4140)."""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from homeserver.domain.errors import DatabaseUnavailable, InternalError, MatrixError, NotFound
from homeserver.ports.calls.delayed_events import (
    DelayedEvent,
    DelayedEventStore,
    Finalisation,
    Status,
)
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.services.calls.delay_limits import AlreadyFinalised
from homeserver.services.calls.delayed_sending import DelayedSending
from homeserver.services.turns import Turns

PASSING: Final = (DatabaseDown, DatabaseFull, DatabaseUnavailable)
"""Failures that say nothing about the event: it stays scheduled."""

log = structlog.get_logger(__name__)


class Delivery:
    """Finalises delayed events, one thing at a time for each of them."""

    def __init__(self, store: DelayedEventStore, sending: DelayedSending, clock: Clock) -> None:
        self._store = store
        self._sending = sending
        self._clock = clock
        self._turns = Turns()

    async def when_due(self, delay_id: str) -> None:
        """Send an event if it is still scheduled and due. What refuses it is kept as its error.

        Raises what is in ``PASSING``.
        """
        async with self._turns.of(delay_id):
            delayed = await self._store.event(delay_id)
            now_ms = self._clock.now_ms()
            if delayed is None or delayed.finalised is not None or delayed.send_ts > now_ms:
                return
            await self._store.finalise(delay_id, await self._sent_or_failed(delayed))

    async def at_once(self, delay_id: str) -> None:
        """Send an event without waiting any longer.

        Raises NotFound, AlreadyFinalised when it will not be sent any more, and what refuses it
        now; it stays scheduled then.
        """
        async with self._turns.of(delay_id):
            delayed = await self._known(delay_id)
            if delayed.finalised is None:
                event_id = await self._sending.send(delayed)
                end = Finalisation(self._clock.now_ms(), event_id=event_id, by_action=True)
                await self._store.finalise(delay_id, end)
            elif delayed.status is not Status.SENT:
                raise AlreadyFinalised("The delayed event has been cancelled")

    async def cancel(self, delay_id: str) -> None:
        """Never send an event. Raises NotFound, and AlreadyFinalised when it has been sent."""
        async with self._turns.of(delay_id):
            delayed = await self._known(delay_id)
            if delayed.finalised is None:
                end = Finalisation(self._clock.now_ms(), by_action=True)
                await self._store.finalise(delay_id, end)
            elif delayed.status is Status.SENT:
                raise AlreadyFinalised("The delayed event has been sent")

    async def restart(self, delay_id: str) -> None:
        """Let the delay begin anew. Raises NotFound and AlreadyFinalised."""
        async with self._turns.of(delay_id):
            delayed = await self._known(delay_id)
            if delayed.finalised is not None:
                raise AlreadyFinalised()
            await self._store.restart(delay_id, self._clock.now_ms())

    async def _known(self, delay_id: str) -> DelayedEvent:
        delayed = await self._store.event(delay_id)
        if delayed is None:
            raise NotFound("There is no such delayed event")
        return delayed

    async def _sent_or_failed(self, delayed: DelayedEvent) -> Finalisation:
        try:
            event_id = await self._sending.send(delayed)
        except PASSING:
            raise
        except MatrixError as error:
            refusal = error
        except Exception as error:
            log.error("delayed_event_failed", delay_id=delayed.delay_id, exc_info=error)
            refusal = InternalError()
        else:
            return Finalisation(self._clock.now_ms(), event_id=event_id)
        return Finalisation(self._clock.now_ms(), error=msgspec.json.encode(refusal.body()))
