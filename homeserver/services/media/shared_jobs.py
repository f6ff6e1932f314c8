"""Work that several ask for at once and that is done once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.domain.errors import Overloaded

T = TypeVar("T")

_RETRY_MS: Final = 2000


class SharedJobs(Generic[T]):
    """Jobs by key, at most so many at a time. A job goes on when those who asked have left."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._waiting: dict[Hashable, list[Deferred[T]]] = {}

    def __len__(self) -> int:
        """How many jobs are going on."""
        return len(self._waiting)

    async def share(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the job with a key, begun now unless it is going on. Raises Overloaded,
        and what the job raises."""
        waiter: Deferred[T] = Deferred()
        waiters = self._waiting.get(key)
        if waiters is not None:
            waiters.append(waiter)
            return await waiter
        if len(self._waiting) >= self._at_most:
            raise Overloaded(_RETRY_MS)
        self._waiting[key] = [waiter]
        Deferred.fromCoroutine(work()).addCallbacks(
            lambda result: self._done(key, result), lambda failure: self._failed(key, failure)
        )
        return await waiter

    def _done(self, key: Hashable, result: T) -> None:
        for waiter in self._waiting.pop(key):
            waiter.callback(result)

    def _failed(self, key: Hashable, failure: Failure) -> None:
        for waiter in self._waiting.pop(key):
            waiter.errback(failure)
