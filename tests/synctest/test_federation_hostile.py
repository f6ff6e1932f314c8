"""Our server under attack, in small sizes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial

import pytest
import pytest_asyncio

from synctest.federation.hostile import (
    ATTACKS,
    endless_history,
    forks,
    huge_answers,
    long_auth_chain,
    slow_answers,
)
from synctest.federation.raid import Attack, raid
from synctest.federation.scenario import Scenario
from synctest.federation.world import World, started_world
from tests.synctest.federation_outcomes import play_together

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL: Mapping[str, Attack] = {
    **ATTACKS,
    "endless-history": partial(endless_history, length=300),
    "long-auth-chain": partial(long_auth_chain, length=300),
    "forks": partial(forks, width=200),
    "slow-answers": partial(slow_answers, seconds=1.0),
    "huge-answers": partial(huge_answers, size=60_000_000),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with started_world(["myelin"]) as world:
        yield world


@pytest.mark.parametrize("name", SMALL)
async def test_the_server_bears(world: World, name: str) -> None:
    await play_together([(Scenario(name, partial(raid, SMALL[name])), world, "12")])
