"""A limit on how long something may take as a whole."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from federation.transport.errors import TimedOut
from homeserver.ports.clock import Clock

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when it takes longer. Raises TimedOut."""
    running = Deferred.fromCoroutine(work)
    is_over = False

    def stop() -> None:
        nonlocal is_over
        is_over = True
        running.cancel()

    timer = clock.call_later(seconds, stop)
    try:
        return await running
    except Exception as error:
        # What is cancelled may fail in its own words.
        if is_over:
            raise TimedOut(f"no complete answer within {seconds:g} seconds") from error
        raise
    finally:
        timer.cancel()
