"""What name servers say, and for how long it is believed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from twisted.names import dns

from federation.transport.errors import NameNotResolved
from federation.transport.name_lookups import ABSENT_SECONDS, MAX_ADDRESSES, ServiceRecord
from tests.clock import FakeClock
from tests.deferreds import together
from tests.federation.transport.conftest import PUBLIC, PUBLIC_6, Internet


async def test_addresses_of_both_families_are_found_ipv4_first(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC_6, PUBLIC)
    found = await internet.lookups.addresses("HS.example.")
    assert found == (ip_address(PUBLIC), ip_address(PUBLIC_6))


async def test_the_hosts_file_comes_first(internet: Internet) -> None:
    internet.zone.address("printer.lan", PUBLIC)
    assert await internet.lookups.addresses("Printer.lan") == (ip_address("192.168.7.7"),)
    assert internet.zone.asked == []


@pytest.mark.parametrize(("ttl", "seconds"), [(60, 60), (0, 5), (1_000_000, 3_600)])
async def test_an_address_is_believed_as_long_as_it_says_within_limits(
    internet: Internet, ttl: int, seconds: int
) -> None:
    clock = FakeClock()
    lookups = internet.new_lookups(clock)
    internet.zone.address("hs.example", PUBLIC, ttl=ttl)
    for passed, asked in ((0, 1), (seconds - 1, 1), (2, 2)):
        clock.advance(passed)
        await lookups.addresses("hs.example")
        assert internet.zone.count("hs.example", dns.A) == asked


async def test_that_there_is_nothing_is_remembered(internet: Internet) -> None:
    clock = FakeClock()
    lookups = internet.new_lookups(clock)
    for _ in range(2):
        with pytest.raises(NameNotResolved):
            await lookups.addresses("hs.example")
        assert await lookups.services("_matrix._tcp.hs.example") == ()
    assert internet.zone.count("hs.example", dns.A) == 1
    assert internet.zone.count("_matrix._tcp.hs.example", dns.SRV) == 1
    clock.advance(ABSENT_SECONDS + 1)
    internet.zone.address("hs.example", PUBLIC)
    assert await lookups.addresses("hs.example") == (ip_address(PUBLIC),)


async def test_that_nothing_is_known_is_not_remembered(internet: Internet) -> None:
    internet.zone.broken.add("hs.example")
    for ask in (internet.lookups.addresses, internet.lookups.services):
        with pytest.raises(NameNotResolved):
            await ask("hs.example")
    internet.zone.broken.clear()
    internet.zone.address("hs.example", PUBLIC)
    assert await internet.lookups.addresses("hs.example") == (ip_address(PUBLIC),)


async def test_services_are_read_as_they_are(internet: Internet) -> None:
    internet.zone.service("_matrix._tcp.hs.example", "A.example", 443, priority=7)
    internet.zone.service("_matrix._tcp.hs.example", "", 0)
    assert await internet.lookups.services("_matrix._tcp.hs.example") == (
        ServiceRecord(7, 0, 443, "A.example"),
        ServiceRecord(0, 0, 0, ""),
    )


async def test_those_who_ask_together_are_answered_together(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    answers = await together(*(internet.lookups.addresses("hs.example") for _ in range(5)))
    assert set(answers) == {(ip_address(PUBLIC),)}
    assert internet.zone.count("hs.example", dns.A) == 1


async def test_of_very_many_addresses_some_are_looked_at(internet: Internet) -> None:
    internet.zone.address("hs.example", *(f"93.184.216.{n}" for n in range(25)))
    assert len(await internet.lookups.addresses("hs.example")) == MAX_ADDRESSES
