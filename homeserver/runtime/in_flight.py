"""Requests that are being answered, so that a server that stops can wait for them."""

from __future__ import annotations

from homeserver.ports.clock import Clock


class InFlight:
    """Counts requests between their arrival and their answer.

    See :class:`homeserver.http.transport.InFlight`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.count = 0
        self.ending = False
        self.ended = False

    def begin(self) -> None:
        """A request arrived."""
        self.count += 1

    def end(self) -> None:
        """It was answered, or its client has gone."""
        self.count -= 1

    def last_call(self) -> None:
        """From now on connections close with the answer they wait for."""
        self.ending = True

    async def drained(self, seconds: float) -> None:
        """Resolve when no request is left, or after some time; then nothing is answered any
        more."""
        deadline = self._clock.monotonic() + seconds
        while self.count > 0 and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)
        self.ended = True
