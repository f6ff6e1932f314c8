"""All scenarios between homeservers."""

from __future__ import annotations

from functools import partial

from synctest.federation.false_host import LIES, visit
from synctest.federation.hostile import ATTACKS
from synctest.federation.pdus import OLDEST_VERSION
from synctest.federation.raid import raid
from synctest.federation.scenario import Scenario
from synctest.federation.scenarios.entering import (
    history,
    knocking,
    rejoin,
    restricted,
    upgrade,
    withdrawing,
)
from synctest.federation.scenarios.parting import catch_up, crash, partition, quarrel
from synctest.federation.scenarios.services import directory, encryption, media, spaces
from synctest.federation.scenarios.talking import ephemeral, memberships, messages, profiles

SCENARIOS = (
    Scenario("messages", messages),
    Scenario("memberships", memberships),
    Scenario("rejoin", rejoin),
    Scenario("history", history, by_version=False),
    Scenario("knocking", knocking, since=7),
    Scenario("withdrawing", withdrawing, since=7, by_version=False),
    Scenario("restricted", restricted, since=8),
    Scenario("upgrade", upgrade),
    Scenario("ephemeral", ephemeral, by_version=False),
    Scenario("profiles", profiles, by_version=False),
    Scenario("media", media, by_version=False),
    Scenario("directory", directory, by_version=False),
    Scenario("encryption", encryption, by_version=False),
    Scenario("spaces", spaces, by_version=False),
    Scenario("partition", partition),
    Scenario("quarrel", quarrel),
    Scenario("catch-up", catch_up, by_version=False),
    Scenario("crash", crash, by_version=False),
    *(
        Scenario(f"hostile-{name}", partial(raid, attack), since=OLDEST_VERSION, by_version=False)
        for name, attack in ATTACKS.items()
    ),
    Scenario("honest-host", partial(visit, None), since=11),
    *(
        Scenario(f"false-host-{name}", partial(visit, lie), since=11, by_version=False)
        for name, lie in LIES.items()
    ),
)
