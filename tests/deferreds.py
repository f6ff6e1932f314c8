"""Awaiting Deferreds on pytest's event loop, without a reactor.

The server's coroutines await Deferreds, as Twisted drives them. ``on_event_loop`` drives such a
coroutine on an asyncio loop, where it may also await what asyncio knows. ``tests/conftest.py`` does
that for every test, so a test awaits either kind as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


class _Bridge:
    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        resume: Callable[[Any], Any] = self._coroutine.send
        value: Any = None
        while True:
            try:
                awaited = resume(value)
            except StopIteration as stop:
                return stop.value
            try:
                if isinstance(awaited, Deferred):
                    yield from _fired(awaited).__await__()
                    value = None  # the Deferred itself gives its result to who awaits it
                else:
                    value = yield awaited
                resume = self._coroutine.send
            except BaseException as error:
                value, resume = error, self._coroutine.throw


def _fired(deferred: Deferred[Any]) -> asyncio.Future[None]:
    """Resolves when a Deferred has a result, which it keeps."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fire(result: Any) -> Any:
        if not future.done():
            future.set_result(None)
        return result

    deferred.addBoth(fire)
    return future


async def on_event_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that may await Deferreds."""
    result: T = await _Bridge(coroutine)
    return result


async def together(*coroutines: Coroutine[Any, Any, T]) -> list[T]:
    """The results of coroutines that run at the same time."""
    running = [Deferred.fromCoroutine(coroutine) for coroutine in coroutines]
    return [await deferred for deferred in running]


class LoopReactor:
    """What the databases need of a reactor: the way back from their threads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        """Call something on the loop's thread."""
        self._loop.call_soon_threadsafe(lambda: callable(*args, **kwargs))
