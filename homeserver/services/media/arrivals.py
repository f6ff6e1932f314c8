"""Waiting for media that is still being uploaded."""

from __future__ import annotations

from collections import defaultdict

from twisted.internet.defer import Deferred

from homeserver.domain.content_uris import MediaId
from homeserver.ports.clock import Clock


class Arrivals:
    """Wakes whoever waits for an upload to this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: defaultdict[MediaId, set[Deferred[None]]] = defaultdict(set)

    async def wait(self, media_id: MediaId, seconds: float) -> None:
        """Resolve when the media arrives, or after some time."""
        waiter: Deferred[None] = Deferred()
        timer = self._clock.call_later(seconds, _wake, waiter)
        self._waiting[media_id].add(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._forget(media_id, waiter)

    def arrived(self, media_id: MediaId) -> None:
        """Wake all who wait for the media."""
        for waiter in self._waiting.pop(media_id, ()):
            _wake(waiter)

    def _forget(self, media_id: MediaId, waiter: Deferred[None]) -> None:
        waiters = self._waiting.get(media_id)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiting[media_id]


def _wake(waiter: Deferred[None]) -> None:
    if not waiter.called:
        waiter.callback(None)
