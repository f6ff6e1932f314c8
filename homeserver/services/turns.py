"""One at a time: what reads, decides and writes for the same user must not overlap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredLock


class Turns:
    """Lets those who have the same key go one after the other, in the order they came."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, DeferredLock] = {}

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for one's turn, and end it when the block is left."""
        lock = self._locks.setdefault(key, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            # Whoever was next may be through already, and have removed it.
            if not lock.locked and self._locks.get(key) is lock:
                del self._locks[key]
