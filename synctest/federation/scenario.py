"""What a scenario between homeservers is, and how it is run and told of."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import attrs

from synctest.federation.world import World
from synctest.runner import FAILURES, Outcome, leaves_of

Figures: TypeAlias = Mapping[str, int]
Play: TypeAlias = Callable[[World, str], Awaitable[Figures]]
"""Plays in a world, in rooms of a version; raises one of `FAILURES`, or a group of them."""


@attrs.frozen
class Scenario:
    """One idea of what people on several servers do.

    ``since`` is the first room version that has what it is about; ``by_version`` tells whether
    the room version makes a difference to it.
    """

    name: str
    play: Play
    since: int = 1
    by_version: bool = True

    def applies_to(self, room_version: str) -> bool:
        return int(room_version) >= self.since


async def run_in_world(scenario: Scenario, world: World, room_version: str) -> Outcome:
    """Play a scenario, turning what the homeservers did wrong into failures."""
    began = time.monotonic()
    figures: Figures = {}
    failures: tuple[str, ...] = ()
    try:
        figures = await scenario.play(world, room_version)
    except* FAILURES as group:
        failures = tuple(f"{type(error).__name__}: {error}" for error in leaves_of(group))
    words = [
        f"{member.kind} {member.name}:\n{member.process.output_tail()}" for member in world.members
    ]
    title = f"{scenario.name}, version {room_version}" if scenario.by_version else scenario.name
    return Outcome(
        title, time.monotonic() - began, figures, failures, "\n".join(words) if failures else ""
    )
