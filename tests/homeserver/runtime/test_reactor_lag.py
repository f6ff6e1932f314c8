"""The reactor's lag, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from twisted.internet.task import Clock as ManualReactor

from homeserver.ports.clock import DelayedCall
from homeserver.runtime.reactor_lag import ReactorLag


class ManualClock:
    """Time that passes only when the test says so."""

    def __init__(self) -> None:
        self.reactor = ManualReactor()

    def now_ms(self) -> int:
        return int(self.reactor.seconds() * 1000)

    def monotonic(self) -> float:
        return self.reactor.seconds()

    def call_later(self, seconds: float, work: Callable[..., object], *args: Any) -> DelayedCall:
        return self.reactor.callLater(seconds, work, *args)

    def sleep(self, seconds: float) -> Awaitable[None]:
        return asyncio.sleep(0)


def test_a_reactor_that_keeps_up_has_no_lag() -> None:
    clock, seen = ManualClock(), list[float]()
    lag = ReactorLag(clock, seen.append)
    lag.start()
    clock.reactor.pump([0.25] * 4)
    assert seen == [0.0] * 4
    assert lag.seconds == 0.0


def test_a_call_that_blocks_the_reactor_shows_as_lag() -> None:
    clock, seen = ManualClock(), list[float]()
    lag = ReactorLag(clock, seen.append)
    lag.start()
    clock.reactor.advance(3.25)
    assert seen == [3.0]
    assert lag.seconds == 3.0


def test_the_lag_is_gone_once_the_reactor_keeps_up_again() -> None:
    clock, seen = ManualClock(), list[float]()
    lag = ReactorLag(clock, seen.append)
    lag.start()
    clock.reactor.advance(3.25)
    clock.reactor.advance(0.25)
    assert seen == [3.0, 0.0]
    assert lag.seconds == 0.0


def test_a_measurement_that_is_overdue_counts_before_it_is_made() -> None:
    clock, seen = ManualClock(), list[float]()
    lag = ReactorLag(clock, seen.append)
    lag.start()
    clock.reactor.rightNow += 1.25
    assert seen == []
    assert lag.seconds == pytest.approx(1.0)


def test_after_the_stop_nothing_is_measured() -> None:
    clock, seen = ManualClock(), list[float]()
    lag = ReactorLag(clock, seen.append)
    lag.start()
    lag.stop()
    clock.reactor.advance(10)
    assert seen == []
    assert lag.seconds == 0.0
