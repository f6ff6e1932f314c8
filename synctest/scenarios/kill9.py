"""The server is killed at random moments, and nothing that it acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import ClassVar

import attrs

from synctest.cast import Site, gather_cast
from synctest.connection import Homeserver
from synctest.convergence import check_convergence
from synctest.follower import Follower
from synctest.ledger import Ledger
from synctest.letters import Letters
from synctest.load import load
from synctest.reaper import Reaper
from synctest.unread import UnreadCheck


@attrs.frozen
class Kill9:
    """kill -9 under load, ``kills`` times; clients repeat what was not answered.

    A kill strikes up to ``longest_life`` seconds after the server became ready.
    """

    name: ClassVar[str] = "kill9"
    controls_process: ClassVar[bool] = True

    kills: int = 100
    users: int = 4
    devices: int = 2
    rooms: int = 3
    longest_life: float = 1.0
    seed: int = 0

    async def run(self, site: Site) -> Mapping[str, int]:
        """Raises `ScenarioFailed`; returns figures for the report."""
        async with Homeserver(site.url, patience=120.0) as homeserver:
            cast = await gather_cast(
                homeserver,
                site.register,
                users=self.users,
                devices=self.devices,
                rooms=self.rooms,
            )
            followers = [Follower(device) for device in cast.devices]
            ledger, letters = Ledger(), Letters()
            reaper = Reaper(site.own_process, random.Random(self.seed))
            async with load(cast, followers, ledger, letters, self.seed):
                for _ in range(self.kills):
                    await asyncio.sleep(reaper.dice.uniform(0, self.longest_life))
                    await reaper.strike(ledger.unanswered)
            histories = await check_convergence(cast, followers, ledger)
            await ledger.check_repeats()
            await UnreadCheck(cast, followers, cast.rooms[0]).run()
            await letters.collect(followers)
            return {
                "kills": self.kills,
                "kills while starting": reaper.kills_while_starting,
                "sends cut short": reaper.sends_cut_short,
                "requests repeated": homeserver.repeats,
                "messages": len(ledger.acknowledged),
                "to-device messages": len(letters),
                "events": sum(map(len, histories.values())),
            }
