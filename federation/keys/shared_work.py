"""Work that many wait for and that is done once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

K = TypeVar("K", bound=Hashable)

_Waiters = list[Deferred[None]]


class SharedWork(Generic[K]):
    """Work about keys, each of which is worked on once at a time."""

    def __init__(self) -> None:
        self._under_way: dict[K, _Waiters] = {}

    def __len__(self) -> int:
        """How many keys are worked on."""
        return len(self._under_way)

    def is_under_way(self, key: K) -> bool:
        """Whether somebody works on a key."""
        return key in self._under_way

    async def share(
        self, keys: Iterable[K], work: Callable[[list[K]], Coroutine[Any, Any, None]]
    ) -> None:
        """Wait until each key has been worked on.

        ``work`` is begun with the keys that nobody works on yet, and goes on when those who wait
        have left. Raises what the work raises, that of others included.
        """
        groups: dict[int, _Waiters] = {}
        new: list[K] = []
        own: _Waiters = []
        for key in keys:
            group = self._under_way.get(key)
            if group is None:
                new.append(key)
                self._under_way[key] = group = own
            groups[id(group)] = group
        waiting = []
        for group in groups.values():
            waiter: Deferred[None] = Deferred()
            group.append(waiter)
            waiting.append(waiter)
        if new:
            Deferred.fromCoroutine(work(new)).addBoth(self._done, new, own)
        await all_done(waiting)

    def _done(self, result: Failure | None, keys: list[K], waiters: _Waiters) -> None:
        for key in keys:
            del self._under_way[key]
        for waiter in waiters:
            if not waiter.called:  # by those who stopped waiting
                waiter.callback(result)  # a Failure is an error to them


async def all_done(works: Iterable[Deferred[None]]) -> None:
    """Wait for several works. Raises what the first of them raised that failed."""
    results: list[tuple[bool, Any]] = await DeferredList(list(works), consumeErrors=True)
    for succeeded, result in results:
        if not succeeded:
            result.raiseException()
