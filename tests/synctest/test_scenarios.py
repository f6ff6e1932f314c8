"""The scenarios at small sizes, on both databases.

``$MYELIN_TEST_LAUNCHER`` names another launcher than Myelin's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from synctest.postgres import PostgresCluster
from synctest.runner import (
    OUR_LAUNCHER,
    Scenario,
    postgres,
    report,
    run_scenario,
    sqlite,
    started_server,
)
from synctest.scenarios.chat import Chat
from synctest.scenarios.claims import Claims
from synctest.scenarios.kill9 import Kill9
from synctest.scenarios.mailbox import Mailbox
from synctest.scenarios.restart import Restart

LAUNCHER = Path(os.environ.get("MYELIN_TEST_LAUNCHER", OUR_LAUNCHER))
SCENARIOS = (
    Chat(users=4, actions=15),
    Restart(users=3, restarts=1),
    Kill9(users=3, kills=6, longest_life=0.5),
    Claims(clients=40, one_time_keys=15, kills=4),
    Mailbox(messages=600, senders=4, kills=4),
)


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    if request.param == "sqlite":
        return sqlite
    cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
    return postgres(cluster)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_the_server_withstands(scenario: Scenario, new_database: Callable[[], str]) -> None:
    async with started_server(LAUNCHER, new_database) as site:
        outcome = await run_scenario(scenario, site)
    assert not outcome.failures, report(outcome)
