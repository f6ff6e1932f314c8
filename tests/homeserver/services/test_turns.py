"""One at a time."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from homeserver.services.turns import Turns


async def test_those_with_the_same_key_go_one_after_the_other() -> None:
    turns = Turns()
    seen: list[str] = []
    gates: dict[str, Deferred[None]] = {name: Deferred() for name in ("a", "b", "c")}

    async def go(name: str, key: str) -> None:
        async with turns.of(key):
            seen.append(f"{name} begins")
            await gates[name]
            seen.append(f"{name} ends")

    done = [Deferred.fromCoroutine(go(n, k)) for n, k in (("a", "x"), ("b", "x"), ("c", "y"))]
    assert seen == ["a begins", "c begins"]
    for gate in gates.values():
        gate.callback(None)
    for each in done:
        await each
    assert seen == ["a begins", "c begins", "a ends", "b begins", "b ends", "c ends"]
    assert turns._locks == {}


async def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns()
    for _ in range(2):
        with pytest.raises(KeyError):
            async with turns.of("x"):
                raise KeyError
    assert turns._locks == {}


async def test_whoever_ends_at_once_after_waiting_leaves_nothing_behind() -> None:
    turns = Turns()
    hold: Deferred[None] = Deferred()

    async def long() -> None:
        async with turns.of("room"):
            await hold

    async def short() -> None:
        async with turns.of("room"):
            pass

    running = [Deferred.fromCoroutine(work()) for work in (long, short, short)]
    hold.callback(None)
    for each in running:
        await each
    assert not turns._locks
