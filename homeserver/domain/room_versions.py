"""Room versions: every rule that differs between them, as fields of one frozen value.

Specification: "Room Versions". Code asks a `RoomVersion` what its rules are and never which
version it is, so a new version is a new entry of the table here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs

from homeserver.domain.errors import UnsupportedRoomVersion
from homeserver.domain.redaction_rules import (
    REDACTION_RULES_V1,
    REDACTION_RULES_V6,
    REDACTION_RULES_V8,
    REDACTION_RULES_V9,
    REDACTION_RULES_V11,
    RedactionRules,
)


class EventFormat(Enum):
    """How events are identified and how they refer to each other, by the version that began it."""

    V1 = "v1"
    """The PDU carries its ``event_id``; references are pairs of an ID and a hash."""
    V3 = "v3"
    """IDs are reference hashes in standard Base64; references are IDs."""
    V4 = "v4"
    """IDs are reference hashes in URL-safe Base64; references are IDs."""


class StateResolutionVersion(Enum):
    """The state resolution algorithm: of room version 1, of 2 to 11 and since 12."""

    V1 = "1"
    V2 = "2"
    V2_1 = "2.1"


@attrs.frozen(eq=False)
class RoomVersion:
    """The rules of a room version. There is one instance of each, compared by identity."""

    identifier: str
    stable: bool
    """Whether the specification calls the version stable."""

    event_format: EventFormat
    state_resolution: StateResolutionVersion
    redaction_rules: RedactionRules
    strict_canonical_json: bool
    """Events that are not canonical JSON are refused (6)."""
    max_depth: int
    """The limit of ``depth``, at which it stays: 2**63 - 1, or 2**53 - 1 since version 6."""
    enforce_key_validity: bool
    """A key is good only for events up to its ``valid_until_ts`` (5)."""

    redactions_always_authorised: bool
    """The authorisation rules do not look at the redact level; whether a redaction takes effect
    is decided when both events are known (3)."""
    special_case_aliases_auth: bool
    """`m.room.aliases` is allowed to any member of the server in its state key (1 to 5)."""
    limit_notifications_power_levels: bool
    """Changes of ``notifications`` in power levels are limited like those of ``events`` (6)."""
    integer_power_levels: bool
    """Power levels must be integers; before, strings and floats stand for them, too (10)."""

    knock_join_rule: bool
    """The join rule and the membership ``knock`` exist (7)."""
    restricted_join_rule: bool
    """The join rule ``restricted`` exists (8)."""
    knock_restricted_join_rule: bool
    """The join rule ``knock_restricted`` exists (10)."""

    creator_in_create_content: bool
    """`m.room.create` names the creator in its content, beside ``sender`` (1 to 10)."""
    redacts_in_content: bool
    """`m.room.redaction` has ``redacts`` in its content, not at the top level (11)."""
    room_id_is_create_hash: bool
    """The room ID is the ID of the create event with the sigil ``!``; the create event has no
    ``room_id`` (12)."""
    create_in_auth_events: bool
    """Events refer to the create event in ``auth_events`` (1 to 11)."""
    privileged_creators: bool
    """The sender of the create event and its ``additional_creators`` have infinite power (12)."""


_V1: Final = RoomVersion(
    identifier="1",
    stable=True,
    event_format=EventFormat.V1,
    state_resolution=StateResolutionVersion.V1,
    redaction_rules=REDACTION_RULES_V1,
    strict_canonical_json=False,
    max_depth=2**63 - 1,
    enforce_key_validity=False,
    redactions_always_authorised=False,
    special_case_aliases_auth=True,
    limit_notifications_power_levels=False,
    integer_power_levels=False,
    knock_join_rule=False,
    restricted_join_rule=False,
    knock_restricted_join_rule=False,
    creator_in_create_content=True,
    redacts_in_content=False,
    room_id_is_create_hash=False,
    create_in_auth_events=True,
    privileged_creators=False,
)
_V2: Final = attrs.evolve(_V1, identifier="2", state_resolution=StateResolutionVersion.V2)
_V3: Final = attrs.evolve(
    _V2, identifier="3", event_format=EventFormat.V3, redactions_always_authorised=True
)
_V4: Final = attrs.evolve(_V3, identifier="4", event_format=EventFormat.V4)
_V5: Final = attrs.evolve(_V4, identifier="5", enforce_key_validity=True)
_V6: Final = attrs.evolve(
    _V5,
    identifier="6",
    redaction_rules=REDACTION_RULES_V6,
    strict_canonical_json=True,
    max_depth=2**53 - 1,
    special_case_aliases_auth=False,
    limit_notifications_power_levels=True,
)
_V7: Final = attrs.evolve(_V6, identifier="7", knock_join_rule=True)
_V8: Final = attrs.evolve(
    _V7, identifier="8", redaction_rules=REDACTION_RULES_V8, restricted_join_rule=True
)
_V9: Final = attrs.evolve(_V8, identifier="9", redaction_rules=REDACTION_RULES_V9)
_V10: Final = attrs.evolve(
    _V9, identifier="10", integer_power_levels=True, knock_restricted_join_rule=True
)
_V11: Final = attrs.evolve(
    _V10,
    identifier="11",
    redaction_rules=REDACTION_RULES_V11,
    creator_in_create_content=False,
    redacts_in_content=True,
)
_V12: Final = attrs.evolve(
    _V11,
    identifier="12",
    state_resolution=StateResolutionVersion.V2_1,
    room_id_is_create_hash=True,
    create_in_auth_events=False,
    privileged_creators=True,
)

ROOM_VERSIONS: Final[Mapping[str, RoomVersion]] = MappingProxyType(
    {
        version.identifier: version
        for version in (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11, _V12)
    }
)
"""The versions that this server supports, by identifier."""

DEFAULT_ROOM_VERSION: Final = "12"
"""The version of new rooms, as the specification recommends."""


def room_version(identifier: str) -> RoomVersion:
    """The rules of the version ``identifier``. Raises UnsupportedRoomVersion."""
    version = ROOM_VERSIONS.get(identifier)
    if version is None:
        raise UnsupportedRoomVersion(f"This server does not support room version {identifier!r}")
    return version
