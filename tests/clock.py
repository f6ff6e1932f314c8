"""A clock that stands still until it is told to go on."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

START_MS = 1_700_000_000_000


class _Call:
    def __init__(self, due: float, number: int, work: Callable[[], object]) -> None:
        self.due = due
        self.number = number
        self.work = work
        self.cancelled = False

    def __lt__(self, other: _Call) -> bool:
        return (self.due, self.number) < (other.due, other.number)

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """See :class:`homeserver.ports.clock.Clock`. ``advance`` makes time pass."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self._start_ms = start_ms
        self._seconds = 0.0
        self._numbers = itertools.count()
        self._calls: list[_Call] = []

    def now_ms(self) -> int:
        return self._start_ms + round(self._seconds * 1000)

    def monotonic(self) -> float:
        return self._seconds

    def call_later(self, seconds: float, work: Callable[..., object], *args: Any) -> _Call:
        call = _Call(self._seconds + seconds, next(self._numbers), lambda: work(*args))
        heapq.heappush(self._calls, call)
        return call

    def sleep(self, seconds: float) -> Deferred[None]:
        deferred: Deferred[None] = Deferred()
        self.call_later(seconds, deferred.callback, None)
        return deferred

    def advance(self, seconds: float) -> None:
        """Let time pass, and make the calls that become due, each at its time."""
        until = self._seconds + seconds
        while self._calls and self._calls[0].due <= until:
            call = heapq.heappop(self._calls)
            self._seconds = max(self._seconds, call.due)
            if not call.cancelled:
                call.work()
        self._seconds = until
