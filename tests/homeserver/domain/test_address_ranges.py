"""Which addresses may be connected to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from homeserver.domain.address_ranges import DEFAULT_DENIED_RANGES, AddressRanges

DEFAULT = AddressRanges(DEFAULT_DENIED_RANGES)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.2.1",
        "192.168.0.1",
        "198.19.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:a00:1::",
        "2001:db8::1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
    ],
)
def test_what_is_not_on_the_public_internet_is_denied(address: str) -> None:
    assert not DEFAULT.allows(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "172.32.0.1",
        "100.128.0.1",
        "2606:2800:220:1::1",
        "::ffff:93.184.216.34",
        "64:ff9b::93.184.216.34",
    ],
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert DEFAULT.allows(ip_address(address))


def test_everything_that_python_knows_as_private_is_denied() -> None:
    for first in range(256):
        for second in (0, 1, 16, 31, 64, 100, 127, 168, 254):
            address = ip_address(f"{first}.{second}.0.1")
            assert address.is_global or address.is_multicast or not DEFAULT.allows(address), address


def test_allowed_ranges_are_exceptions() -> None:
    ranges = AddressRanges(DEFAULT_DENIED_RANGES, ["10.0.0.0/24", "fd00::1"])
    assert ranges.allows(ip_address("10.0.0.9"))
    assert ranges.allows(ip_address("::ffff:10.0.0.9"))
    assert not ranges.allows(ip_address("10.0.1.9"))
    assert ranges.allows(ip_address("fd00::1"))
    assert not ranges.allows(ip_address("fd00::2"))


def test_what_is_no_range_is_refused() -> None:
    with pytest.raises(ValueError, match="intranet"):
        AddressRanges(["intranet"])
