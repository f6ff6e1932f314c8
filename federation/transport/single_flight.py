"""One run of the same work for all who ask for it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Shares results among those who wait for them; who stops waiting disturbs nobody else."""

    def __init__(self) -> None:
        self._waiting: dict[K, list[Deferred[V]]] = {}

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The result of ``work()``, or of the run for the same key that is under way."""
        waiter: Deferred[V] = Deferred()
        if key in self._waiting:
            self._waiting[key].append(waiter)
        else:
            self._waiting[key] = [waiter]
            Deferred.fromCoroutine(work()).addBoth(self._settle, key)
        return await waiter

    def _settle(self, result: V | Failure, key: K) -> None:
        for waiter in self._waiting.pop(key):
            if not waiter.called:
                waiter.callback(result)
