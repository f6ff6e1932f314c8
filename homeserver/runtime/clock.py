"""Time from the reactor."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from homeserver.ports.clock import DelayedCall


class ReactorClock:
    """See :class:`homeserver.ports.clock.Clock`."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, work: Callable[..., object], *args: Any) -> DelayedCall:
        return _Call(self._reactor.callLater(max(0, seconds), work, *args))

    def sleep(self, seconds: float) -> Awaitable[None]:
        return deferLater(self._reactor, seconds)


class _Call:
    """A delayed call that may be cancelled after it happened."""

    __slots__ = ("_call",)

    def __init__(self, call: Any) -> None:
        self._call = call

    def cancel(self) -> None:
        if self._call.active():
            self._call.cancel()
