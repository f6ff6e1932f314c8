"""Which IP addresses the server may connect to on behalf of others.

Names and URLs come from users and other servers: without a limit they would reach what only this
machine or its network can (server-side request forgery).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Final, TypeAlias

IpAddress: TypeAlias = IPv4Address | IPv6Address

DEFAULT_DENIED_RANGES: Final = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # carrier-grade NAT
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local, with the metadata services of clouds
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # relays of 6to4
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, with broadcast
    "::/96",  # unspecified, loopback and the former IPv4-compatible addresses
    "64:ff9b:1::/48",  # local NAT64
    "100::/64",  # discard
    "2001:2::/48",  # benchmarks
    "2001:10::/28",  # overlay identifiers
    "2001:20::/28",  # overlay identifiers
    "2001:db8::/32",  # documentation
    "3fff::/20",  # documentation
    "5f00::/16",  # segment routing
    "fc00::/7",  # unique local
    "fe80::/10",  # link-local
    "fec0::/10",  # the former site-local
    "ff00::/8",  # multicast
)
"""What is not on the public internet."""

_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRanges:
    """Allows an address unless it lies in a denied range and in no allowed one."""

    def __init__(self, denied: Iterable[str], allowed: Iterable[str] = ()) -> None:
        """Ranges are written as ``10.0.0.0/8`` or as a single address. Raises ValueError."""
        self._denied = [ip_network(text) for text in denied]
        self._allowed = [ip_network(text) for text in allowed]

    def allows(self, address: IpAddress) -> bool:
        """Whether the server may connect there.

        An IPv6 address that stands for an IPv4 address (mapped, 6to4, Teredo, NAT64) is as good
        as that one.
        """
        if isinstance(address, IPv6Address):
            # Which interface it is reached through is of no concern.
            address = IPv6Address(int(address))
        if _is_within(address, self._allowed):
            return True
        if _is_within(address, self._denied):
            return False
        return all(self.allows(inner) for inner in _embedded(address))


def _is_within(address: IpAddress, ranges: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in each for each in ranges)


def _embedded(address: IpAddress) -> Iterator[IPv4Address]:
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
