"""Waiting for what must come to another server, some time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from synctest.client import Client
from synctest.connection import JsonObject, RequestFailed
from synctest.failure import ScenarioFailed

T = TypeVar("T")

LIMIT = 20.0
"""Seconds that something may take to get from one server to another."""

PAUSE = 0.1
POLL_MS = 500


async def eventually(
    what: str,
    look: Callable[[], Awaitable[T]],
    wanted: Callable[[T], bool],
    *,
    limit: float = LIMIT,
) -> T:
    """Look until it is as wanted; a request that fails is repeated.

    Raises `ScenarioFailed` with what was seen last after ``limit`` seconds.
    """
    deadline = time.monotonic() + limit
    while True:
        try:
            seen = await look()
            if wanted(seen):
                return seen
            last = f"it is {seen!r:.1500}"
        except RequestFailed as error:
            last = str(error)
        if time.monotonic() > deadline:
            raise ScenarioFailed(f"waited {limit:.0f} s in vain for {what}: {last}")
        await asyncio.sleep(PAUSE)


class Watcher:
    """A device that syncs and remembers everything that it was told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._since: str | None = None
        self._answers: list[JsonObject] = []

    async def step(self, timeout_ms: int = 0) -> JsonObject:
        """One /sync from where the last one ended."""
        answer = await self.client.sync(self._since, timeout_ms=timeout_ms)
        self._since = answer["next_batch"]
        self._answers.append(answer)
        return answer

    async def until(
        self, what: str, tells: Callable[[JsonObject], bool], *, limit: float = LIMIT
    ) -> JsonObject:
        """The first answer, of those that came and those to come, that tells something.

        Raises `ScenarioFailed` after ``limit`` seconds.
        """
        for answer in self._answers:
            if tells(answer):
                return answer
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            answer = await self.step(POLL_MS)
            if tells(answer):
                return answer
        raise ScenarioFailed(
            f"{self.client!r} waited {limit:.0f} s in vain for {what}; "
            f"its last answers of /sync are {self._answers[-3:]!r:.1500}"
        )
