"""Work that is done once for all who wait for it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from federation.keys.shared_work import SharedWork


class Work:
    """Work that goes on until it is told to end."""

    def __init__(self) -> None:
        self.shared: SharedWork[str] = SharedWork()
        self.begun: list[list[str]] = []
        self.going_on: list[Deferred[None]] = []

    def ask(self, *keys: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self.shared.share(keys, self._work))

    async def _work(self, keys: list[str]) -> None:
        self.begun.append(keys)
        self.going_on.append(Deferred())
        await self.going_on[-1]


async def test_a_key_is_worked_on_once_at_a_time() -> None:
    work = Work()
    first, second, third = work.ask("a", "b"), work.ask("b", "c"), work.ask("a")
    assert work.begun == [["a", "b"], ["c"]]
    work.going_on[0].callback(None)
    await first
    await third
    assert not second.called
    work.going_on[1].callback(None)
    await second
    assert len(work.shared) == 0
    again = work.ask("a")
    assert work.begun[2] == ["a"]
    work.going_on[2].callback(None)
    await again


async def test_all_who_wait_learn_of_a_failure() -> None:
    work = Work()
    waiting = [work.ask("a", "b"), work.ask("b")]
    work.going_on[0].errback(ValueError("no"))
    for each in waiting:
        with pytest.raises(ValueError, match="no"):
            await each
    assert len(work.shared) == 0


async def test_work_goes_on_when_some_stop_waiting() -> None:
    work = Work()
    first, second = work.ask("a"), work.ask("a")
    first.cancel()
    with pytest.raises(CancelledError):
        await first
    work.going_on[0].callback(None)
    await second


async def test_nothing_is_done_at_once() -> None:
    work = Work()
    await work.ask()
    assert work.begun == []
