"""Identifiers of users, rooms, aliases, events, devices and servers.

Specification: appendices, "Identifier Grammar". Each kind is a distinct type over ``str``: text
from outside is parsed once, at the edge, and trusted inside.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NewType

from homeserver.domain.errors import InvalidParam

UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
RoomAlias = NewType("RoomAlias", str)
EventId = NewType("EventId", str)
ServerName = NewType("ServerName", str)
DeviceId = NewType("DeviceId", str)

MAX_IDENTIFIER_BYTES: Final = 255
"""The longest identifier, in UTF-8 bytes, with its sigil and its server name."""

_LOCALPART = re.compile(r"[a-z0-9._=/+-]+")
_OPAQUE = re.compile(r"[0-9A-Za-z._~-]{1,255}")
_NAMESPACED = re.compile(r"[a-z][a-z0-9._-]{0,254}")
_HOST_AND_PORT = re.compile(
    r"(?:(?P<name>[0-9A-Za-z.-]{1,255})|\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?"
)
_DOTTED_QUAD = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")


def parse_user_id(raw: str) -> UserId:
    """Parse ``@localpart:domain``, with the historical character set as well as the current one.

    Servers must accept any localpart without ``:`` and NUL from others, even an empty one
    ("Historical User IDs"). New accounts take `is_valid_localpart`. Raises InvalidParam.
    """
    _require_domain_form(raw, "@", "user ID")
    return UserId(raw)


def parse_room_id(raw: str) -> RoomId:
    """Parse ``!opaque_id:domain`` or, as since room version 12, ``!opaque_id``.

    Which of the two a room must have is for its room version to say. Raises InvalidParam.
    """
    _require_opaque_form(raw, "!", "room ID")
    return RoomId(raw)


def parse_room_alias(raw: str) -> RoomAlias:
    """Parse ``#room_alias:domain``. Raises InvalidParam."""
    _require_domain_form(raw, "#", "room alias")
    return RoomAlias(raw)


def parse_event_id(raw: str) -> EventId:
    """Parse ``$opaque_id:domain`` (room versions 1, 2) or ``$opaque_id``. Raises InvalidParam."""
    _require_opaque_form(raw, "$", "event ID")
    return EventId(raw)


def parse_server_name(raw: str) -> ServerName:
    """Parse a DNS name or an IP literal, with an optional port. Raises InvalidParam."""
    if not is_server_name(raw):
        raise InvalidParam("This is not a valid server name")
    return ServerName(raw)


def parse_device_id(raw: str) -> DeviceId:
    """Parse a device ID: any text of 1 to 255 bytes. Raises InvalidParam."""
    if not raw or not _is_identifier_text(raw):
        raise InvalidParam("This is not a valid device ID")
    return DeviceId(raw)


def parse_key_id(raw: str) -> tuple[str, str]:
    """Split a key identifier, such as ``ed25519:a_1``, into its algorithm and the rest.

    Raises InvalidParam.
    """
    algorithm, _, name = raw.partition(":")
    if not algorithm or not name or not _is_identifier_text(raw):
        raise InvalidParam("This is not a valid key ID")
    return algorithm, name


def make_user_id(localpart: str, server_name: ServerName) -> UserId:
    """The user ID of ``localpart`` on ``server_name``. Raises InvalidParam, also when too long."""
    return parse_user_id(f"@{localpart}:{server_name}")


def localpart_of(identifier: str) -> str:
    """The text between the sigil and the first ``:``, or the end, of a parsed identifier."""
    return identifier[1:].partition(":")[0]


def server_name_of(identifier: UserId | RoomId | RoomAlias | EventId) -> ServerName:
    """The server name in a parsed identifier.

    Raises InvalidParam for room and event IDs that are hashes and name no server.
    """
    _, separator, domain = identifier.partition(":")
    if not separator:
        raise InvalidParam("This identifier does not name a server")
    return ServerName(domain)


def is_valid_localpart(localpart: str) -> bool:
    """Whether a new user may have this localpart: only ``a-z 0-9 . _ = - / +``, and not empty."""
    return _LOCALPART.fullmatch(localpart) is not None


def is_compliant_user_id(user_id: UserId) -> bool:
    """Whether clients may see this user ID outside of events.

    "Historical User IDs": those with an empty localpart, or characters outside of U+0021 to
    U+007E in it, should not be forwarded.
    """
    localpart = localpart_of(user_id)
    return bool(localpart) and all("!" <= character <= "~" for character in localpart)


def is_opaque_identifier(raw: str) -> bool:
    """Whether ``raw`` has the Opaque Identifier Grammar."""
    return _OPAQUE.fullmatch(raw) is not None


def is_namespaced_identifier(raw: str) -> bool:
    """Whether ``raw`` has the Common Namespaced Identifier Grammar."""
    return _NAMESPACED.fullmatch(raw) is not None


@lru_cache(maxsize=4096)
def is_server_name(raw: str) -> bool:
    """Whether ``raw`` has the grammar of a server name."""
    if len(raw) > MAX_IDENTIFIER_BYTES:
        return False
    match = _HOST_AND_PORT.fullmatch(raw)
    if match is None:
        return False
    if match["port"] is not None and int(match["port"]) > 65535:
        return False
    if match["ipv6"] is not None:
        return _is_ipv6(match["ipv6"])
    if _DOTTED_QUAD.fullmatch(match["name"]):
        return all(int(octet) <= 255 for octet in match["name"].split("."))
    return True


def _is_ipv6(literal: str) -> bool:
    try:
        IPv6Address(literal)
    except AddressValueError:
        return False
    return True


def _require_domain_form(raw: str, sigil: str, kind: str) -> None:
    if not raw.startswith(sigil) or not _is_identifier_text(raw):
        raise InvalidParam(f"This is not a valid {kind}")
    _, separator, domain = raw.partition(":")
    if not separator or not is_server_name(domain):
        raise InvalidParam(f"This {kind} does not name a valid server")


def _require_opaque_form(raw: str, sigil: str, kind: str) -> None:
    if ":" in raw:
        _require_domain_form(raw, sigil, kind)
    elif len(raw) < 2 or not raw.startswith(sigil) or not _is_identifier_text(raw):
        raise InvalidParam(f"This is not a valid {kind}")


def _is_identifier_text(raw: str) -> bool:
    """Whether ``raw`` is within the limit of length and free of NUL and surrogates."""
    if raw.isascii():
        return len(raw) <= MAX_IDENTIFIER_BYTES and "\0" not in raw
    try:
        return len(raw.encode()) <= MAX_IDENTIFIER_BYTES and "\0" not in raw
    except UnicodeEncodeError:
        return False
