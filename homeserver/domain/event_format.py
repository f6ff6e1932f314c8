"""The event format of each room version: checks of events that others made.

Specification: "Room Versions", "Event format"; client-server API, "Size limits".
"""

from __future__ import annotations

import re
from typing import Any, Final

from homeserver.domain.canonical_json import JsonObject, check_canonical, check_lenient
from homeserver.domain.errors import BadJson, InvalidParam, TooLarge
from homeserver.domain.identifiers import (
    MAX_IDENTIFIER_BYTES,
    parse_event_id,
    parse_room_id,
    parse_user_id,
    server_name_of,
)
from homeserver.domain.room_versions import EventFormat, RoomVersion

MAX_EVENT_BYTES: Final = 65536
"""The largest event, as canonical JSON with its signatures and without ``unsigned``."""
MAX_FIELD_BYTES: Final = MAX_IDENTIFIER_BYTES
"""The longest ``type`` and ``state_key``, in UTF-8 bytes."""
MAX_PREV_EVENTS: Final = 20
MAX_AUTH_EVENTS: Final = 10

_INT64: Final = range(-(2**63), 2**63)
_HASHED_ROOM_ID = re.compile(r"![A-Za-z0-9_-]{43}")


def check_event_format(pdu: JsonObject, version: RoomVersion) -> None:
    """Check that a received event is valid, the first check on receipt of a PDU.

    Raises BadJson when a field is missing or malformed, TooLarge when one is too long. The size of
    the whole event is for `check_event_size`, once it is encoded.
    """
    if version.strict_canonical_json:
        check_canonical(pdu)
    else:
        check_lenient(pdu)
    check_field_size("type", _field(pdu, "type", str))
    if "state_key" in pdu:
        check_field_size("state_key", _field(pdu, "state_key", str))
    _field(pdu, "content", dict)
    if _field(pdu, "origin_server_ts", int) not in _INT64:
        raise BadJson("origin_server_ts is out of range")
    if not 0 <= _field(pdu, "depth", int) <= version.max_depth:
        raise BadJson("depth is out of range")
    _check_identifiers(pdu, version)
    _check_references(pdu, "prev_events", version, MAX_PREV_EVENTS)
    _check_references(pdu, "auth_events", version, MAX_AUTH_EVENTS)
    _check_hashes_and_signatures(pdu)


def check_event_size(encoded: bytes) -> None:
    """Check the size of a whole event. Raises TooLarge."""
    if len(encoded) > MAX_EVENT_BYTES:
        raise TooLarge(f"The event has {len(encoded)} bytes of at most {MAX_EVENT_BYTES}")


def check_field_size(name: str, value: str) -> None:
    """Check the length of ``type`` or ``state_key``. Raises TooLarge; BadJson for surrogates."""
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as error:
        raise BadJson(f"{name} contains a lone surrogate") from error
    if size > MAX_FIELD_BYTES:
        raise TooLarge(f"{name} has {size} bytes of at most {MAX_FIELD_BYTES}")


def is_room_creation(event_type: str, version: RoomVersion) -> bool:
    """Whether events of this type have no ``room_id``, as their hash is the room ID."""
    return version.room_id_is_create_hash and event_type == "m.room.create"


def _field(pdu: JsonObject, name: str, kind: type) -> Any:
    value = pdu.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadJson(f"{name} of the event is missing or not of type {kind.__name__}")
    return value


def _check_identifiers(pdu: JsonObject, version: RoomVersion) -> None:
    try:
        parse_user_id(_field(pdu, "sender", str))
        _check_room_id(pdu, version)
        if version.event_format is EventFormat.V1:
            server_name_of(parse_event_id(_field(pdu, "event_id", str)))
    except InvalidParam as error:
        raise BadJson(error.message) from error
    if "redacts" in pdu and not version.redacts_in_content:
        _field(pdu, "redacts", str)


def _check_room_id(pdu: JsonObject, version: RoomVersion) -> None:
    if is_room_creation(pdu["type"], version):
        if "room_id" in pdu:
            raise BadJson("A create event must not have a room_id in this room version")
        return
    room_id = parse_room_id(_field(pdu, "room_id", str))
    if not version.room_id_is_create_hash:
        server_name_of(room_id)
    elif not _HASHED_ROOM_ID.fullmatch(room_id):
        raise BadJson("room_id must be the hash of a create event in this room version")


def _check_references(pdu: JsonObject, name: str, version: RoomVersion, limit: int) -> None:
    references = _field(pdu, name, list)
    if len(references) > limit:
        raise BadJson(f"{name} has {len(references)} events of at most {limit}")
    for reference in references:
        event_id = reference
        if version.event_format is EventFormat.V1:
            event_id = _id_of_pair(reference, name)
        if not isinstance(event_id, str):
            raise BadJson(f"{name} must list event IDs")
        try:
            parse_event_id(event_id)
        except InvalidParam as error:
            raise BadJson(f"{name} has a malformed event ID") from error


def _id_of_pair(reference: Any, name: str) -> Any:
    match reference:
        # Other servers are known to leave the hash out, which nothing rests on.
        case [event_id, dict(hashes)] if isinstance(hashes.get("sha256", ""), str):
            return event_id
    raise BadJson(f"{name} must list pairs of an event ID and its hash")


def _check_hashes_and_signatures(pdu: JsonObject) -> None:
    if not isinstance(_field(pdu, "hashes", dict).get("sha256"), str):
        raise BadJson("hashes of the event has no sha256")
    for by_key in _field(pdu, "signatures", dict).values():
        if not isinstance(by_key, dict) or not all(isinstance(s, str) for s in by_key.values()):
            raise BadJson("signatures of the event must map servers and keys to strings")
