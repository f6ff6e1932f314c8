"""What a room hands on to the room that replaces it.

Specification: client-server API, "Room Upgrades"; room version 12, "Room creators".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.domain.power_levels import DEFAULT_LEVELS, parse_power_level
from homeserver.domain.room_presets import ADMIN_LEVEL, TOMBSTONE_LEVEL
from homeserver.domain.room_versions import RoomVersion

TRANSFERRED_TYPES: Final = (
    "m.room.server_acl",
    "m.room.encryption",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
)
"""State with empty state keys that is copied; the power levels are, too, see below."""

TOMBSTONE_BODY: Final = "This room has been replaced"


def successor_content(
    create_content: JsonObject,
    version: RoomVersion,
    old_room: RoomId,
    last_event: EventId,
    additional_creators: Collection[UserId],
) -> JsonObject:
    """The ``creation_content`` of the room that replaces one with this create event."""
    content: JsonObject = {
        name: create_content[name] for name in ("type", "m.federate") if name in create_content
    }
    content["predecessor"] = {"room_id": old_room, "event_id": last_event}
    if version.privileged_creators and additional_creators:
        content["additional_creators"] = list(additional_creators)
    return content


def successor_power_levels(
    content: Mapping[str, Any],
    old_version: RoomVersion,
    version: RoomVersion,
    *,
    creators: Collection[UserId],
    old_creators: Collection[UserId],
) -> JsonObject:
    """The power levels of the room that replaces one with these.

    ``creators`` of the new room have no level where they are privileged; ``old_creators``, whose
    power the old levels do not tell, are given that of administrators where they are not.
    """
    levels: JsonObject = dict(content)
    for name in DEFAULT_LEVELS:
        if name in levels:
            levels[name] = _level(levels[name], old_version, DEFAULT_LEVELS[name])
    for name in ("users", "events", "notifications"):
        entries = levels.get(name)
        if isinstance(entries, dict):
            levels[name] = {key: _level(v, old_version, 0) for key, v in entries.items()}
        elif name in levels:
            del levels[name]
    users = dict(levels.get("users", {}))
    if version.privileged_creators:
        levels["users"] = {user: level for user, level in users.items() if user not in creators}
        events = dict(levels.get("events", {}))
        tombstone = max(events.get("m.room.tombstone", 0), TOMBSTONE_LEVEL)
        levels["events"] = {**events, "m.room.tombstone": tombstone}
    else:
        levels["users"] = {**users, **dict.fromkeys(old_creators, ADMIN_LEVEL)}
    return levels


def highest_level(levels: JsonObject) -> int:
    """The least level with which a user may do everything under these power levels."""
    named: list[int] = [levels.get(name, default) for name, default in DEFAULT_LEVELS.items()]
    for name in ("users", "events"):
        named += levels.get(name, {}).values()
    return max(ADMIN_LEVEL, *named)


def with_user_level(levels: JsonObject, user_id: UserId, level: int) -> JsonObject:
    """Power levels in which one user has another level."""
    return {**levels, "users": {**levels.get("users", {}), user_id: level}}


def locked_power_levels(content: Mapping[str, Any], version: RoomVersion) -> JsonObject:
    """The power levels of a room that has been replaced: nobody but those with power sends
    messages or invites."""
    users_default = _level(content.get("users_default"), version, DEFAULT_LEVELS["users_default"])
    least = max(50, users_default + 1)
    return {
        **content,
        "events_default": max(least, _level(content.get("events_default"), version, 0)),
        "invite": max(least, _level(content.get("invite"), version, 0)),
    }


def _level(value: Any, version: RoomVersion, default: int) -> int:
    level = parse_power_level(value, version)
    return default if level is None else level
