"""The state that a new room begins with.

Specification: client-server API, "Creation" and `m.room.power_levels`; room version 12, "Room
creators". Pure values: the service that creates rooms puts them in order and appends them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import UserId
from homeserver.domain.power_levels import DEFAULT_LEVELS
from homeserver.domain.room_summary import SPACE
from homeserver.domain.room_versions import RoomVersion

ADMIN_LEVEL: Final = 100
TOMBSTONE_LEVEL: Final = 150
"""Where creators are privileged: only they replace the room, unless they let others."""

_EVENT_LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "m.room.avatar": 50,
        "m.room.canonical_alias": 50,
        "m.room.encryption": 100,
        "m.room.history_visibility": 100,
        "m.room.name": 50,
        "m.room.power_levels": 100,
        "m.room.server_acl": 100,
    }
)


class Preset(StrEnum):
    """The ``preset`` of a request to create a room."""

    PRIVATE_CHAT = "private_chat"
    PUBLIC_CHAT = "public_chat"
    TRUSTED_PRIVATE_CHAT = "trusted_private_chat"


def preset_state(preset: Preset) -> dict[str, JsonObject]:
    """The contents of the state events that a preset sets, by type and in order."""
    is_public = preset is Preset.PUBLIC_CHAT
    return {
        "m.room.join_rules": {"join_rule": "public" if is_public else "invite"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "forbidden" if is_public else "can_join"},
    }


def initial_power_levels(
    version: RoomVersion,
    creator: UserId,
    *,
    equals: Collection[UserId] = (),
    room_type: object = None,
    override: JsonObject | None = None,
) -> JsonObject:
    """The content of the first `m.room.power_levels` event of a room.

    ``equals`` are to have the power of the creator. ``override`` replaces properties as a whole.
    """
    tombstone_level = TOMBSTONE_LEVEL if version.privileged_creators else ADMIN_LEVEL
    content: JsonObject = {
        **DEFAULT_LEVELS,
        "users": {},
        "events": {**_EVENT_LEVELS, "m.room.tombstone": tombstone_level},
    }
    if room_type == SPACE:
        # "Spaces": nobody is expected to chat in them.
        content["events_default"] = ADMIN_LEVEL
    if not version.privileged_creators:
        content["users"] = dict.fromkeys((creator, *equals), ADMIN_LEVEL)
    content.update(override or {})
    if version.privileged_creators:
        content["events"] = with_tombstone_level(content.get("events"))
    return content


def with_tombstone_level(events: object) -> object:
    """The ``events`` of power levels, in which privileged creators alone may replace the room
    unless it says otherwise. What is not an object is left for the authorisation rules."""
    if not isinstance(events, dict):
        return {"m.room.tombstone": TOMBSTONE_LEVEL} if events is None else events
    return {"m.room.tombstone": TOMBSTONE_LEVEL, **events}


def topic_content(topic: str) -> JsonObject:
    """The content of `m.room.topic` for a plain text."""
    return {"topic": topic, "m.topic": {"m.text": [{"body": topic, "mimetype": "text/plain"}]}}
