"""Kills a homeserver, and brings it back."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TypeVar

from synctest.connection import Homeserver
from synctest.process import ServerProcess

T = TypeVar("T")


class Reaper:
    """Kills a server and starts it again, now and then killing it while it starts, too."""

    def __init__(self, server: ServerProcess, dice: random.Random) -> None:
        self.dice = dice
        self.kills = 0
        self.sends_cut_short = 0
        self.kills_while_starting = 0
        self._server = server
        self._time_to_start = 1.0

    async def disturb(
        self, work: asyncio.Future[T], homeserver: Homeserver, *, kills: int, longest_life: float
    ) -> T:
        """Wait for the work, killing the server meanwhile: so many times, if it lasts that long,
        and each time after it lived for at most so many seconds."""
        last_kill = self.kills + kills
        try:
            while not work.done() and self.kills < last_kill:
                await asyncio.wait([work], timeout=self.dice.uniform(0, longest_life))
                if not work.done():
                    await self.strike(homeserver.in_flight)
            return await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def strike(self, unanswered: int) -> None:
        """Kill the server, while so many sends are ``unanswered``, and start it again."""
        self._server.kill9()
        self.kills += 1
        self.sends_cut_short += unanswered
        if self.dice.random() < 0.2:
            self._server.spawn()
            await asyncio.sleep(self.dice.uniform(0, self._time_to_start))
            self._server.kill9()
            self.kills_while_starting += 1
        began = time.monotonic()
        await self._server.start()
        self._time_to_start = time.monotonic() - began
