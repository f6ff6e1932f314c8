"""How far the reactor falls behind: the first sign of overload."""

from __future__ import annotations

from collections.abc import Callable

from homeserver.ports.clock import Clock, DelayedCall

_INTERVAL_SECONDS = 0.25


class ReactorLag:
    """Measures, a few times a second, how much later than asked the reactor calls.

    ``observe`` gets each measurement, in seconds.
    """

    def __init__(self, clock: Clock, observe: Callable[[float], None]) -> None:
        self._clock = clock
        self._observe = observe
        self._last = 0.0
        self._due = 0.0
        self._next: DelayedCall | None = None

    @property
    def seconds(self) -> float:
        """The lag at the last measurement, or the present one if it is worse already."""
        if self._next is None:
            return 0.0
        return max(self._last, self._clock.monotonic() - self._due)

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._clock.monotonic() + _INTERVAL_SECONDS
        self._next = self._clock.call_later(_INTERVAL_SECONDS, self._measure)

    def stop(self) -> None:
        """Measure no longer."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _measure(self) -> None:
        # A loop on a fixed grid would skip the calls it is late for, and with them the lag.
        self._last = max(0.0, self._clock.monotonic() - self._due)
        self._observe(self._last)
        self.start()
