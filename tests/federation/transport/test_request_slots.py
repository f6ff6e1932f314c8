"""How many requests go to one server at the same time."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from federation.transport.errors import DestinationUnavailable
from federation.transport.request_slots import MAX_QUEUED, RequestSlots
from homeserver.domain.identifiers import ServerName

HS, OTHER = ServerName("hs.example"), ServerName("other.example")


class Visitors:
    """Those who hold a slot, or wait for one."""

    def __init__(self, parallel: int) -> None:
        self.slots = RequestSlots(parallel)
        self.inside: list[str] = []
        self._ends: dict[str, Deferred[None]] = {}

    def come(self, name: str, server: ServerName = HS) -> Deferred[None]:
        return Deferred.fromCoroutine(self._visit(name, server))

    def leave(self, name: str) -> None:
        self._ends[name].callback(None)

    def close(self) -> None:
        while self.inside:
            self.leave(self.inside[0])

    async def _visit(self, name: str, server: ServerName) -> None:
        async with self.slots.slot(server):
            self.inside.append(name)
            self._ends[name] = Deferred()
            await self._ends[name]
        self.inside.remove(name)


async def test_requests_wait_in_order_for_those_to_the_same_server() -> None:
    visitors = Visitors(2)
    for name in "abcd":
        visitors.come(name)
    visitors.come("x", OTHER)
    assert visitors.inside == ["a", "b", "x"]
    visitors.leave("b")
    assert visitors.inside == ["a", "x", "c"]
    visitors.close()


async def test_who_stops_waiting_does_not_take_a_slot() -> None:
    visitors = Visitors(1)
    visitors.come("a")
    impatient = visitors.come("b")
    visitors.come("c")
    impatient.cancel()
    with pytest.raises(CancelledError):
        await impatient
    visitors.leave("a")
    assert visitors.inside == ["c"]
    visitors.close()


async def test_a_queue_has_a_limit() -> None:
    visitors = Visitors(1)
    for number in range(1 + MAX_QUEUED):
        visitors.come(str(number))
    with pytest.raises(DestinationUnavailable, match="too many"):
        await visitors.come("last")
    visitors.close()
