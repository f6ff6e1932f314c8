"""The parts of server names."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from homeserver.domain.errors import InvalidParam
from homeserver.domain.server_name_parts import ServerNameParts, ip_literal, split_server_name


@pytest.mark.parametrize(
    ("name", "host", "port", "address"),
    [
        ("example.org", "example.org", None, None),
        ("Example.ORG:80", "example.org", 80, None),
        ("1.2.3.4", "1.2.3.4", None, "1.2.3.4"),
        ("1.2.3.4:8448", "1.2.3.4", 8448, "1.2.3.4"),
        ("[::1]", "::1", None, "::1"),
        ("[2001:DB8::1]:443", "2001:db8::1", 443, "2001:db8::1"),
        ("4.example", "4.example", None, None),
    ],
)
def test_a_server_name_is_taken_apart(
    name: str, host: str, port: int | None, address: str | None
) -> None:
    expected = None if address is None else ip_address(address)
    assert split_server_name(name) == ServerNameParts(name.lower(), host, port, expected)


@pytest.mark.parametrize(
    "name", ["", "a b", "a:", "a:0", "a:65536", "[::1", "::1", "1.2.3", "01.2.3.4", "a.0x7f", "1"]
)
def test_what_nobody_could_connect_to_is_refused(name: str) -> None:
    with pytest.raises(InvalidParam):
        split_server_name(name)


def test_a_host_is_an_address_or_a_name() -> None:
    assert ip_literal("::1") == ip_address("::1")
    assert ip_literal("example.org") is None
    with pytest.raises(InvalidParam):
        ip_literal("2130706433")
