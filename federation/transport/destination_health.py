"""Which servers answer: one record of each, shared by all that asks it anything.

A server that fails is left alone for a while, twice as long after each failure in a row. Then one
request is let through as a probe, and its outcome decides for all others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias

import attrs
import structlog
from twisted.internet.defer import Deferred

from federation.transport.errors import DestinationUnavailable
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.federation.destinations import DestinationStore, FailingDestination

FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 86_400_000

LEAST_PAUSE_MS: Final = 30_000
"""How long a server is left alone at least, if the pause was that long, though it gives signs of
life: it may well reach this server and not the other way round."""

MAX_RECORDS: Final = 50_000
FORGET_AFTER_MS: Final = 30 * 86_400_000
"""After how long a failure is forgotten when the server starts."""

FLUSH_SECONDS: Final = 5.0

_JITTER = 0.2

log = structlog.get_logger(__name__)

Listener: TypeAlias = Callable[[ServerName], object]


@attrs.frozen
class Attempt:
    """A request that was let through; ``failures`` is how many there had been in a row."""

    destination: ServerName
    failures: int


class DestinationHealth:
    """Lets requests through or not, and learns from what becomes of them."""

    def __init__(self, store: DestinationStore, clock: Clock, random: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._failing: dict[ServerName, FailingDestination] = {}
        self._probed: set[ServerName] = set()
        self._unsaved: set[ServerName] = set()
        self._is_flush_due = False
        self._listeners: list[Listener] = []
        self._succeeded: OrderedDict[ServerName, int] = OrderedDict()

    async def load(self) -> None:
        """Remember what was known when the server stopped."""
        forget_before_ms = self._clock.now_ms() - FORGET_AFTER_MS
        for record in sorted(await self._store.failing(), key=lambda each: each.last_failure_ms):
            if record.last_failure_ms < forget_before_ms:
                self._changed(record.destination)
            else:
                self._failing.setdefault(record.destination, record)

    def on_recovery(self, listener: Listener) -> None:
        """Call ``listener`` with each server that answers again, or may be tried sooner than it
        was said to."""
        self._listeners.append(listener)

    def retry_at_ms(self, destination: ServerName) -> int | None:
        """When the next request will be let through; None when any will be."""
        record = self._failing.get(destination)
        return None if record is None else record.retry_at_ms

    def failing(self) -> list[FailingDestination]:
        """Every server that could not be reached lately."""
        return list(self._failing.values())

    def succeeded(self) -> list[ServerName]:
        """The servers that have answered since this one started."""
        return list(self._succeeded)

    def last_success_ms(self, destination: ServerName) -> int | None:
        """When the server answered last; None if it has not since this one started."""
        return self._succeeded.get(destination)

    def reset(self, destination: ServerName) -> None:
        """Forget that the server could not be reached: it may be tried at once."""
        self._probed.discard(destination)
        if self._failing.pop(destination, None) is not None:
            self._changed(destination)
        self._tell(destination)

    def admit(self, destination: ServerName) -> Attempt:
        """Let a request through. Its outcome must be noted.

        Raises DestinationUnavailable while the server is left alone or being probed.
        """
        record = self._failing.get(destination)
        if record is None:
            return Attempt(destination, 0)
        if self._clock.now_ms() < record.retry_at_ms:
            raise DestinationUnavailable(
                destination, "it did not answer lately", record.retry_at_ms
            )
        if destination in self._probed:
            raise DestinationUnavailable(destination, "it is being tried", record.retry_at_ms)
        self._probed.add(destination)
        return Attempt(destination, record.failures)

    def admit_anyway(self, destination: ServerName) -> Attempt:
        """Let a request through that must not wait, such as one for the keys of a server that may
        have come back: only with them it can show that it has. Its outcome must be noted."""
        record = self._failing.get(destination)
        return Attempt(destination, 0 if record is None else record.failures)

    def note_success(self, attempt: Attempt) -> None:
        """The server answered, whatever it said."""
        destination = attempt.destination
        self._probed.discard(destination)
        self._note_time(destination)
        record = self._failing.pop(destination, None)
        if record is None:
            return
        self._changed(destination)
        log.info("destination_recovered", destination=destination, failures=record.failures)
        self._tell(destination)

    def note_failure(self, attempt: Attempt, reason: str) -> None:
        """The server could not be reached, or does not work."""
        destination = attempt.destination
        record = self._failing.get(destination)
        failures = 0 if record is None else record.failures
        if failures > attempt.failures:
            return  # Requests that were on their way together fail together: that counts once.
        self._probed.discard(destination)
        self._make_room(destination)
        now_ms = self._clock.now_ms()
        pause_ms = self._pause_ms(failures + 1)
        self._failing[destination] = FailingDestination(
            destination,
            failures + 1,
            now_ms if record is None else record.failing_since_ms,
            now_ms,
            now_ms + pause_ms,
        )
        self._changed(destination)
        log.info(
            "destination_failed",
            destination=destination,
            reason=reason,
            failures=failures + 1,
            pause_ms=pause_ms,
        )

    def note_nothing(self, attempt: Attempt) -> None:
        """The request ended without telling anything about the server."""
        record = self._failing.get(attempt.destination)
        if record is not None and record.failures == attempt.failures:
            self._probed.discard(attempt.destination)

    def note_inbound(self, destination: ServerName) -> None:
        """The server has sent an authenticated request: it may be tried again soon."""
        record = self._failing.get(destination)
        if record is None:
            return
        retry_at_ms = max(self._clock.now_ms(), record.last_failure_ms + LEAST_PAUSE_MS)
        if retry_at_ms < record.retry_at_ms:
            self._failing[destination] = attrs.evolve(record, retry_at_ms=retry_at_ms)
            self._changed(destination)
            self._tell(destination)

    async def flush(self) -> None:
        """Write what has changed; also when the server stops."""
        unsaved, self._unsaved = self._unsaved, set()
        if not unsaved:
            return
        failing = [self._failing[each] for each in sorted(unsaved) if each in self._failing]
        recovered = [each for each in sorted(unsaved) if each not in self._failing]
        try:
            await self._store.save(failing, recovered)
        except (DatabaseDown, DatabaseFull) as error:
            log.warning("destinations_not_written", count=len(unsaved), error=str(error))
            for destination in unsaved:
                self._changed(destination)

    def _note_time(self, destination: ServerName) -> None:
        self._succeeded[destination] = self._clock.now_ms()
        self._succeeded.move_to_end(destination)
        if len(self._succeeded) > MAX_RECORDS:
            self._succeeded.popitem(last=False)

    def _make_room(self, destination: ServerName) -> None:
        """Forget whose failure is the oldest when there are too many; records are kept in that
        order."""
        self._failing.pop(destination, None)
        if len(self._failing) >= MAX_RECORDS:
            oldest = next(iter(self._failing))
            del self._failing[oldest]
            self._probed.discard(oldest)
            self._changed(oldest)

    def _pause_ms(self, failures: int) -> int:
        pause_ms: int = min(FIRST_PAUSE_MS * 2 ** min(failures - 1, 40), LONGEST_PAUSE_MS)
        # Servers that failed together need not be tried again together.
        return round(pause_ms * (1 - _JITTER * self._random()))

    def _tell(self, destination: ServerName) -> None:
        for listener in self._listeners:
            listener(destination)

    def _changed(self, destination: ServerName) -> None:
        self._unsaved.add(destination)
        if not self._is_flush_due:
            self._is_flush_due = True
            self._clock.call_later(FLUSH_SECONDS, self._flush_later)

    def _flush_later(self) -> None:
        self._is_flush_due = False
        Deferred.fromCoroutine(self.flush()).addErrback(
            lambda failure: log.error("destinations_not_written", exc_info=failure.value)
        )
