"""Playing scenarios in a world, as tests do it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from synctest.federation.scenario import Scenario, run_in_world
from synctest.federation.scenarios.programme import SCENARIOS
from synctest.federation.world import World
from synctest.runner import report


def scenarios(*names: str) -> list[Scenario]:
    """Scenarios of the programme by their names."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    return [known[name] for name in names]


async def play_together(plays: Iterable[tuple[Scenario, World, str]]) -> None:
    """Play scenarios in room versions, at the same time, each with its world's first as host."""
    outcomes = await asyncio.gather(*(run_in_world(*play) for play in plays))
    failed = [report(outcome) for outcome in outcomes if outcome.failures]
    assert not failed, "\n".join(failed)
