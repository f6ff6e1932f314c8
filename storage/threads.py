"""From a thread pool back to the reactor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

T = TypeVar("T")


def run_on(
    reactor: IReactorFromThreads, pool: Executor, work: Callable[..., T], *args: Any
) -> Deferred[T]:
    """Run ``work(*args)`` on a thread of ``pool``; the result arrives on the reactor's thread."""
    deferred: Deferred[T] = Deferred()

    def run() -> None:
        try:
            result = work(*args)
        except BaseException:
            reactor.callFromThread(deferred.errback, Failure())
        else:
            reactor.callFromThread(deferred.callback, result)

    pool.submit(run)
    return deferred
