"""Three of our servers with each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from synctest.federation.scenario import Scenario
from synctest.federation.scenarios.parting import catch_up, crash
from synctest.federation.world import World, started_world
from tests.synctest.federation_outcomes import play_together, scenarios

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEACEFUL = scenarios(
    "messages",
    "memberships",
    "rejoin",
    "history",
    "knocking",
    "withdrawing",
    "restricted",
    "upgrade",
    "ephemeral",
    "profiles",
    "media",
    "directory",
    "encryption",
    "spaces",
)
ALONE = [
    *scenarios("partition", "quarrel"),
    Scenario("catch-up", partial(catch_up, missed=30)),
    Scenario("crash", partial(crash, kills=2)),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with started_world(["myelin", "myelin", "myelin"]) as world:
        yield world


@pytest.mark.parametrize("scenario", PEACEFUL, ids=lambda scenario: scenario.name)
async def test_three_servers_agree(world: World, scenario: Scenario) -> None:
    await play_together([(scenario, world, "12")])


@pytest.mark.parametrize("scenario", ALONE, ids=lambda scenario: scenario.name)
async def test_three_servers_agree_after_trouble(world: World, scenario: Scenario) -> None:
    await play_together([(scenario, world, "12")])
