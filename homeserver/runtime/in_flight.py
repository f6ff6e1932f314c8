"""Requests that are being answered, so that a server that stops can wait for them."""

from __future__ import annotations

from homeserver.ports.clock import Clock


class InFlight:
    """Counts requests between their arrival and their answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.count = 0

    def begin(self) -> None:
        """A request arrived."""
        self.count += 1

    def end(self) -> None:
        """It was answered, or its client has gone."""
        self.count -= 1

    async def ended(self, seconds: float) -> None:
        """Resolve when none is left, or after some time."""
        deadline = self._clock.monotonic() + seconds
        while self.count > 0 and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)
