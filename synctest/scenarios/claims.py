"""Many claim the one-time keys of one device, while the server is killed."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import ClassVar

import attrs

from synctest.accounts import log_in
from synctest.cast import Site
from synctest.claimed_keys import Offer, Supply, claim_key
from synctest.client import Client
from synctest.connection import Homeserver
from synctest.device_keys import CLAIMED, DeviceKeys
from synctest.reaper import Reaper


@attrs.frozen
class Claims:
    """``clients`` claim at the same time: ``one_time_keys`` of a device, then its fallback key.

    After a first round that nothing disturbs, each round has a new device, and kills at random
    moments until there were ``kills``.  Who got no answer claims again.  The key of an answer that
    was lost is burnt: nobody may be given it afterwards.
    """

    name: ClassVar[str] = "claims"
    controls_process: ClassVar[bool] = True

    kills: int = 100
    clients: int = 200
    one_time_keys: int = 50
    seed: int = 0

    async def run(self, site: Site) -> Mapping[str, int]:
        """Raises `ScenarioFailed`; returns figures for the report."""
        async with Homeserver(site.url, patience=120.0) as homeserver:
            run = uuid.uuid4().hex[:8]
            owner = await site.register(homeserver, f"{run}-owner")
            claimants = await asyncio.gather(
                *(site.register(homeserver, f"{run}-claimant{n}") for n in range(self.clients))
            )
            reaper = Reaper(site.own_process, random.Random(self.seed))
            one_round = _Round(claimants, self.one_time_keys, homeserver)
            undisturbed = await one_round.run(owner, reaper, kills=0, longest_life=0.0)
            quickest = undisturbed.seconds
            rounds, burnt = 1, 0
            while reaper.kills < self.kills:
                device = await log_in(homeserver, owner.user_id)
                left = self.kills - reaper.kills
                outcome = await one_round.run(device, reaper, left, quickest)
                quickest = min(quickest, outcome.seconds)
                burnt += outcome.burnt
                rounds += 1
            return {
                "rounds": rounds,
                "kills": reaper.kills,
                "kills while starting": reaper.kills_while_starting,
                "claims cut short": reaper.sends_cut_short,
                "requests repeated": homeserver.repeats,
                "keys claimed": rounds * (self.clients + 2),
                "one-time keys burnt": burnt,
            }


@attrs.frozen
class _Outcome:
    seconds: float
    burnt: int


@attrs.frozen
class _Round:
    claimants: Sequence[Client]
    one_time_keys: int
    homeserver: Homeserver

    async def run(self, owner: Client, reaper: Reaper, kills: int, longest_life: float) -> _Outcome:
        """Everybody claims a key of the device, while it is killed at most so often."""
        keys = DeviceKeys(owner)
        offer = Offer(keys.one_time(self.one_time_keys), keys.fallback())
        await owner.upload_keys(
            device_keys=keys.identity(), one_time_keys=offer.one_time, fallback_keys=offer.fallback
        )
        supply = Supply(owner)
        await supply.check(self.one_time_keys, [CLAIMED])
        first = await claim_key(self.claimants[0], owner)
        await supply.check(self.one_time_keys - 1, [CLAIMED])
        repeats = self.homeserver.repeats
        began = time.monotonic()
        others = await reaper.disturb(
            asyncio.gather(*(claim_key(client, owner) for client in self.claimants)),
            self.homeserver,
            kills=kills,
            longest_life=longest_life,
        )
        seconds = time.monotonic() - began
        burnt = offer.check([first, *others], self.homeserver.repeats - repeats)
        offer.check_fallback(await claim_key(self.claimants[0], owner))
        await supply.check(0, [])
        return _Outcome(seconds, burnt)
