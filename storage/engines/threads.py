"""Threads for work that blocks, and the way back to the reactor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

T = TypeVar("T")


class Workers:
    """A few threads of one kind."""

    def __init__(self, reactor: IReactorFromThreads, size: int, name: str) -> None:
        self._reactor = reactor
        self._pool = ThreadPoolExecutor(size, name)
        self.size = size
        self.busy = 0
        """How many pieces of work run or wait for a thread."""

    def run(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> Deferred[T]:
        """Run work on one of the threads; the result arrives on the reactor's thread."""
        deferred: Deferred[T] = Deferred()

        def finish(call: Callable[[Any], None], value: object) -> None:
            self.busy -= 1
            call(value)

        def run() -> None:
            try:
                result = work(*args, **kwargs)
            except BaseException:
                self._reactor.callFromThread(finish, deferred.errback, Failure())
            else:
                self._reactor.callFromThread(finish, deferred.callback, result)

        self.busy += 1
        self._pool.submit(run)
        return deferred

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        self._pool.shutdown()
