"""The parts of a server name: its host, its port, and whether the host is an address.

Specification: appendices, "Server Name". Host names of other kinds of addresses, such as those in
URLs, have the same parts.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import attrs

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import is_server_name


@attrs.frozen
class ServerNameParts:
    """A server name taken apart.

    ``host`` is in lower case and without the brackets of an IPv6 literal; ``address`` is None
    unless the host is an IP literal, ``port`` unless one is given. ``text`` is the name as a Host
    header carries it.
    """

    text: str
    host: str
    port: int | None
    address: IPv4Address | IPv6Address | None


def split_server_name(raw: str) -> ServerNameParts:
    """Take a server name apart. Raises InvalidParam for what nobody could connect to."""
    if not is_server_name(raw):
        raise InvalidParam("This is not a valid server name")
    text = raw.lower()
    host, separator, digits = text.rpartition(":")
    if not separator or digits.endswith("]"):
        host, digits = text, ""
    port = int(digits) if digits else None
    if port == 0:
        raise InvalidParam("There is no port 0")
    host = host.removeprefix("[").removesuffix("]")
    return ServerNameParts(text, host, port, ip_literal(host))


def ip_literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is, or None when it is a name.

    Raises InvalidParam for what looks like an address and is none, such as ``1.2.3.04``: programs
    disagree about what it means.
    """
    try:
        return ip_address(host)
    except ValueError:
        last_label = host.rstrip(".").rpartition(".")[2]
        # A top-level domain is never a number (RFC 3696, section 2), nor does one have colons.
        if last_label.isdigit() or last_label.startswith("0x") or ":" in host:
            raise InvalidParam("This is not a valid IP address") from None
        return None
