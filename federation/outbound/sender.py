"""Sending: one transaction at a time to each destination, to many destinations at once.

A destination that has something due takes its turn behind those that wait already. After each
transaction it goes to the end again, so none waits for one that has much to be sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from twisted.internet.defer import Deferred

from federation.outbound.catch_up import CatchUp
from federation.outbound.courier import Courier, Outcome
from federation.outbound.destination import Destination
from federation.outbound.destinations import Destinations
from federation.outbound.transactions import MOST_PDUS, TransactionMaker
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull

MOST_AT_ONCE: Final = 100
"""To how many destinations transactions are on their way at once."""

DATABASE_PAUSE_SECONDS: Final = 5.0

GRACE_SECONDS: Final = 3.0
"""How long a server that stops waits for transactions; those that are lost are sent again."""

log = structlog.get_logger(__name__)


class Sender:
    """Sends to destinations what is due to them.

    ``observe`` is told of the outcome of each transaction, ``moved`` that a destination got
    further.
    """

    def __init__(
        self,
        destinations: Destinations,
        courier: Courier,
        maker: TransactionMaker,
        catch_up: CatchUp,
        clock: Clock,
        *,
        at_once: int = MOST_AT_ONCE,
        observe: Callable[[Outcome], None] = lambda outcome: None,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._destinations = destinations
        self._courier = courier
        self._maker = maker
        self._catch_up = catch_up
        self._clock = clock
        self._at_once = at_once
        self._observe = observe
        self._moved = moved
        self._ready: deque[Destination] = deque()
        self._running = 0
        self._is_pump_due = False
        self._is_stopped = False
        self._stopped: list[Deferred[None]] = []
        destinations.notify = self.notify

    # --- turns

    def notify(self, destination: Destination) -> None:
        """Something is due to a destination."""
        if destination.is_busy or destination.is_ready or destination.is_away or self._is_stopped:
            return
        destination.is_ready = True
        self._ready.append(destination)
        if not self._is_pump_due:
            # In a turn of its own: all of a batch is handed out first, and its writers answered.
            self._is_pump_due = True
            self._clock.call_later(0, self._pump)

    def alive(self, name: ServerName) -> None:
        """A server that was left alone answers again, or may be tried."""
        destination = self._destinations.get(name)
        if destination is not None and destination.retry is not None:
            destination.retry.cancel()
            destination.retry = None
            self.notify(destination)

    async def stop(self) -> None:
        """Begin nothing more, and wait a little for what is on its way."""
        self._is_stopped = True
        for destination in self._destinations:
            if destination.retry is not None:
                destination.retry.cancel()
        if self._running:
            stopped: Deferred[None] = Deferred()
            self._stopped.append(stopped)
            timer = self._clock.call_later(GRACE_SECONDS, self._end_stop)
            await stopped
            timer.cancel()

    def _pump(self) -> None:
        self._is_pump_due = False
        while self._ready and self._running < self._at_once and not self._is_stopped:
            destination = self._ready.popleft()
            destination.is_ready = False
            destination.is_busy = True
            self._running += 1
            Deferred.fromCoroutine(self._turn(destination)).addErrback(
                lambda failure: log.error("turn_failed", exc_info=failure.value)
            )

    async def _turn(self, destination: Destination) -> None:
        had_messages = destination.has_messages
        rest = self._courier.rest_seconds(destination.name)
        try:
            if not rest:
                rest = await self._send(destination)
            else:
                destination.ephemeral.drop_passing()
        except (DatabaseDown, DatabaseFull) as error:
            log.warning("sending_put_off", destination=destination.name, error=str(error))
            rest = DATABASE_PAUSE_SECONDS
            destination.fall_behind(self._destinations.passed)
        except Exception:
            log.exception("sending_failed", destination=destination.name)
            rest = DATABASE_PAUSE_SECONDS
            destination.fall_behind(self._destinations.passed)
        if rest and (destination.is_due or had_messages):
            destination.has_messages = destination.has_messages or had_messages
            destination.fall_behind(self._destinations.passed)
        elif rest:
            rest = 0.0
        self._end_turn(destination, rest)

    def _end_turn(self, destination: Destination, rest: float) -> None:
        destination.is_busy = False
        self._running -= 1
        self._moved()
        if rest and not self._is_stopped:
            destination.retry = self._clock.call_later(rest, self.alive, destination.name)
        elif destination.is_idle:
            self._destinations.close(destination)
        else:
            self.notify(destination)
        if self._ready and not self._is_pump_due:
            self._is_pump_due = True
            self._clock.call_later(0, self._pump)
        if not self._running:
            self._end_stop()

    def _end_stop(self) -> None:
        stopped, self._stopped = self._stopped, []
        for waiting in stopped:
            waiting.callback(None)

    # --- one transaction

    async def _send(self, destination: Destination) -> float:
        """Send a transaction, if anything is due; for how long to leave the destination alone."""
        await self._fill(destination)
        # A transaction that was refused may be too large, or hold what the other cannot read.
        most_pdus = max(1, MOST_PDUS >> destination.refusals)
        transaction = await self._maker.make(destination, most_pdus)
        if transaction is None:
            return 0.0
        delivery = await self._courier.deliver(destination.name, transaction, destination.refusals)
        self._observe(delivery.outcome)
        match delivery.outcome:
            case Outcome.SENT:
                destination.refusals = 0
                await self._maker.acknowledged(destination, transaction)
                if destination.is_behind and not destination.queue and not destination.ephemeral:
                    destination.finish_part()
            case Outcome.REFUSED | Outcome.UNAVAILABLE | Outcome.DENIED:
                destination.refusals += delivery.outcome is Outcome.REFUSED
                destination.fall_behind(self._destinations.passed)
        return delivery.rest_seconds

    async def _fill(self, destination: Destination) -> None:
        """Read what a destination that is behind lacks, until there is something."""
        while destination.is_behind and not destination.queue and not destination.ephemeral:
            destination.finish_part()
            if destination.is_behind:
                await self._catch_up.read(destination, self._destinations.passed)
