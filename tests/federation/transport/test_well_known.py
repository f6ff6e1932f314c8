"""How long a delegation is remembered."""

from __future__ import annotations

import pytest

from federation.transport.well_known import Lifetimes, WellKnown
from tests.clock import START_MS, FakeClock
from tests.federation.transport.conftest import Internet
from tests.federation.transport.internet import Received, Reply

AT = "198.41.0.4"
MINUTE, HOUR = 60, 3_600


class Host:
    """A host whose answer can be changed."""

    def __init__(self, internet: Internet) -> None:
        self.reply = Reply(body=b'{"m.server": "m.example"}')
        self.clock = FakeClock()
        internet.zone.address("hs.example", AT)
        certificate = internet.ca.issue("hs.example")
        self._site = internet.serve(self._answer, at=AT, port=443, certificate=certificate)
        self._well_known = WellKnown(internet.http, self.clock, lambda: 0.0, Lifetimes())

    def _answer(self, _: Received) -> Reply:
        return self.reply

    async def delegate(self) -> str | None:
        found = await self._well_known.delegate_of("hs.example")
        return None if found is None else found.text

    async def is_remembered_for(self, seconds: float) -> bool:
        """Whether the host is asked once in that time, and again after it."""
        await self.delegate()
        before = len(self._site.received)
        self.clock.advance(seconds - 1)
        await self.delegate()
        assert len(self._site.received) == before
        self.clock.advance(2)
        await self.delegate()
        return len(self._site.received) == before + 1


@pytest.fixture
def host(internet: Internet) -> Host:
    return Host(internet)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 24 * HOUR),
        ({"Cache-Control": "public, Max-Age=7200"}, 2 * HOUR),
        ({"Cache-Control": "max-age=0"}, MINUTE),
        ({"Cache-Control": "no-store"}, MINUTE),
        ({"Cache-Control": "max-age=99999999"}, 48 * HOUR),
        ({"Cache-Control": "s-maxage=7200"}, 24 * HOUR),
        ({"Expires": "Wed, 15 Nov 2023 00:13:20 GMT"}, 2 * HOUR),
        ({"Expires": "0"}, MINUTE),
        ({"Expires": "Wed, 15 Nov 2023 00:13:20 GMT", "Cache-Control": "max-age=60"}, MINUTE),
    ],
)
async def test_a_delegation_is_remembered_as_its_headers_say_within_limits(
    host: Host, headers: dict[str, str], seconds: int
) -> None:
    assert START_MS == 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
    host.reply.headers = headers
    assert await host.is_remembered_for(seconds)


async def test_failures_are_remembered_longer_and_longer_up_to_an_hour(host: Host) -> None:
    host.reply = Reply(status=404)
    assert await host.delegate() is None
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        assert await host.is_remembered_for(minutes * MINUTE)


async def test_a_delegation_outlives_a_failure_to_renew_it_for_an_hour(host: Host) -> None:
    assert await host.delegate() == "m.example"
    host.reply = Reply(status=503)
    host.clock.advance(24 * HOUR + 1)
    assert await host.delegate() == "m.example"
    host.clock.advance(2 * HOUR)
    assert await host.delegate() is None


async def test_a_host_that_works_again_is_believed_again(host: Host) -> None:
    working, host.reply = host.reply, Reply(status=503)
    assert await host.delegate() is None
    host.reply = working
    host.clock.advance(MINUTE + 1)
    assert await host.delegate() == "m.example"
    assert await host.is_remembered_for(24 * HOUR)
