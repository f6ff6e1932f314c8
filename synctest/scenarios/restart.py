"""The server is restarted in the middle of a conversation, and nobody notices for long."""

from __future__ import annotations

import asyncio
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
from synctest.unread import UnreadCheck


@attrs.frozen
class Restart:
    """Orderly restarts under load: sends stay idempotent and sync tokens continue."""

    name: ClassVar[str] = "restart"
    controls_process: ClassVar[bool] = True

    users: int = 4
    devices: int = 2
    rooms: int = 3
    restarts: int = 2
    seed: int = 0

    async def run(self, site: Site) -> Mapping[str, int]:
        """Raises `ScenarioFailed`; returns figures for the report."""
        server = site.own_process
        async with Homeserver(site.url, patience=60.0) as homeserver:
            cast = await gather_cast(
                homeserver,
                site.register,
                users=self.users,
                devices=self.devices,
                rooms=self.rooms,
            )
            followers = [Follower(device) for device in cast.devices]
            ledger, letters = Ledger(), Letters()
            async with load(cast, followers, ledger, letters, self.seed):
                for _ in range(self.restarts):
                    await asyncio.sleep(1.0)
                    await server.restart()
                await asyncio.sleep(1.0)
            await ledger.check_repeats()
            histories = await check_convergence(cast, followers, ledger)
            await UnreadCheck(cast, followers, cast.rooms[0]).run()
            await letters.collect(followers)
            return {
                "restarts": self.restarts,
                "requests repeated": homeserver.repeats,
                "messages": len(ledger.acknowledged),
                "to-device messages": len(letters),
                "events": sum(map(len, histories.values())),
            }
