"""Steady load: devices that talk without pause and follow what the others say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from synctest.cast import Cast
from synctest.client import Client
from synctest.follower import Follower
from synctest.ledger import Ledger
from synctest.letters import Letters

PAUSE = 0.02
"""The longest pause, in seconds, between two messages of one device."""


@asynccontextmanager
async def load(
    cast: Cast, followers: Sequence[Follower], ledger: Ledger, letters: Letters, seed: int
) -> AsyncIterator[None]:
    """All devices talk and all followers follow for as long as the block runs."""
    busy = asyncio.Event()
    busy.set()
    async with asyncio.TaskGroup() as tasks:
        for follower in followers:
            tasks.create_task(follower.follow_while(busy))
        for number, device in enumerate(cast.devices):
            dice = random.Random(f"{seed}/{number}")
            tasks.create_task(_talk(device, cast, ledger, letters, dice, busy))
        yield
        busy.clear()


async def _talk(
    speaker: Client,
    cast: Cast,
    ledger: Ledger,
    letters: Letters,
    dice: random.Random,
    busy: asyncio.Event,
) -> None:
    while busy.is_set():
        room_id = dice.choice(cast.rooms)
        if dice.random() < 0.1:
            await speaker.set_typing(room_id, True)
        event_id = await ledger.say(speaker, room_id)
        if dice.random() < 0.2:
            await speaker.mark_read(room_id, event_id)
        if dice.random() < 0.1:
            await letters.send(speaker, dice.choice(cast.devices))
        await asyncio.sleep(dice.uniform(0, PAUSE))
