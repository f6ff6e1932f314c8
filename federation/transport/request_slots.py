"""How many requests go to one server at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs
from twisted.internet.defer import DeferredSemaphore

from federation.transport.errors import DestinationUnavailable
from homeserver.domain.identifiers import ServerName

DEFAULT_PARALLEL: Final = 10
MAX_QUEUED: Final = 200
"""How many requests may wait for their turn at one server."""


@attrs.define
class _Queue:
    semaphore: DeferredSemaphore
    length: int = 0


class RequestSlots:
    """Makes requests to a server wait for each other, in order, when they are many."""

    def __init__(self, parallel: int = DEFAULT_PARALLEL) -> None:
        self._parallel = parallel
        self._queues: dict[ServerName, _Queue] = {}

    @asynccontextmanager
    async def slot(self, destination: ServerName) -> AsyncIterator[None]:
        """One of the places of a server, for as long as the context lasts.

        Raises DestinationUnavailable when too many wait already.
        """
        queue = self._queues.get(destination)
        if queue is None:
            queue = self._queues[destination] = _Queue(DeferredSemaphore(self._parallel))
        if queue.length >= self._parallel + MAX_QUEUED:
            raise DestinationUnavailable(destination, "too many requests wait for it")
        queue.length += 1
        try:
            await queue.semaphore.acquire()
            try:
                yield
            finally:
                queue.semaphore.release()
        finally:
            queue.length -= 1
            if queue.length == 0:
                del self._queues[destination]
