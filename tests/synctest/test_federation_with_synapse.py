"""Our server with Synapse, each being host in turn.  Other room versions: synctest/README.md."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from synctest.federation.peers import PeerUnavailable
from synctest.federation.scenario import Scenario
from synctest.federation.world import World, started_world
from tests.synctest.federation_outcomes import play_together, scenarios

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOM_VERSIONS = ("10", "11", "12")
BY_VERSION = scenarios(
    "messages", "memberships", "rejoin", "knocking", "restricted", "upgrade", "partition"
)
SERVICES = scenarios(
    "history", "ephemeral", "profiles", "media", "directory", "encryption", "spaces"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    try:
        async with started_world(["myelin", "synapse"]) as world:
            yield world
    except PeerUnavailable as error:
        warnings.warn(f"nothing was tested with another homeserver: {error}", stacklevel=1)
        pytest.skip(str(error))


@pytest.mark.parametrize("scenario", BY_VERSION, ids=lambda scenario: scenario.name)
async def test_both_agree_in_every_room_version(world: World, scenario: Scenario) -> None:
    for turn in range(2):
        await play_together(
            (scenario, world.turned(turn), room_version) for room_version in ROOM_VERSIONS
        )


@pytest.mark.parametrize("scenario", SERVICES, ids=lambda scenario: scenario.name)
async def test_both_answer_each_other(world: World, scenario: Scenario) -> None:
    for turn in range(2):
        await play_together([(scenario, world.turned(turn), "12")])
