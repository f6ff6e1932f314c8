"""The rules for `m.room.power_levels`.

Specification: room versions, "Authorisation rules", rule 10 of version 12. In short: nobody sets,
changes or removes a level above the own one, nor takes power from someone who has as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homeserver.domain.auth_rules.authorising_state import AuthorisingState
from homeserver.domain.errors import Forbidden, InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import parse_user_id
from homeserver.domain.power_levels import DEFAULT_LEVELS, POWER_LEVELS_KEY, parse_power_level
from homeserver.domain.room_creators import privileged_creators
from homeserver.domain.room_versions import RoomVersion


def check_power_levels(event: Event, room: AuthorisingState) -> None:
    """Check the content of a power levels event and what it changes. Raises Forbidden."""
    _check_levels_are_integers(event.content, event.version)
    _check_users(event.content, event.version)
    for creator in privileged_creators(room.create_event):
        if creator in event.content.get("users", {}):
            raise Forbidden(f"{creator} created the room and cannot be given a power level")
    current = room.state.get(POWER_LEVELS_KEY)
    if current is not None:
        _check_changes(event, current.content, room.user_level(event.sender))


def _check_levels_are_integers(content: Mapping[str, Any], version: RoomVersion) -> None:
    """Before room version 10 only the levels of users are checked on their own."""
    if not version.integer_power_levels:
        return
    for name in DEFAULT_LEVELS:
        if name in content and parse_power_level(content[name], version) is None:
            raise Forbidden(f"{name} must be an integer")
    for name in ("events", "notifications"):
        for key, value in _entries(content, name).items():
            if parse_power_level(value, version) is None:
                raise Forbidden(f"The level of {key} in {name} must be an integer")


def _check_users(content: Mapping[str, Any], version: RoomVersion) -> None:
    for user_id, value in _entries(content, "users").items():
        try:
            parse_user_id(user_id)
        except InvalidParam as error:
            raise Forbidden(f"users has an invalid user ID, {user_id!r}") from error
        if parse_power_level(value, version) is None:
            raise Forbidden(f"The level of {user_id} must be an integer")


def _entries(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    entries = content.get(name, {})
    if not isinstance(entries, dict):
        raise Forbidden(f"{name} must be an object")
    return entries


def _check_changes(event: Event, current: Mapping[str, Any], sender_level: int) -> None:
    version = event.version
    for name, old, new in _changes(_single_levels(current), _single_levels(event.content), version):
        _require_within(sender_level, name, old, new)
    limited = (
        ["events", "notifications"] if version.limit_notifications_power_levels else ["events"]
    )
    for name in limited:
        for key, old, new in _changes(
            _current_entries(current, name), _entries(event.content, name), version
        ):
            _require_within(sender_level, f"{key} in {name}", old, new)
    for user_id, old, new in _changes(
        _current_entries(current, "users"), _entries(event.content, "users"), version
    ):
        if old is not None and old >= sender_level and user_id != event.sender:
            raise Forbidden(f"{event.sender} may not change the level of {user_id}, which is {old}")
        _require_within(sender_level, user_id, None, new)


def _single_levels(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in DEFAULT_LEVELS if name in content}


def _current_entries(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    entries = content.get(name)
    return entries if isinstance(entries, dict) else {}


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], version: RoomVersion
) -> Iterator[tuple[str, int | None, int | None]]:
    """What was added, changed or removed: its key, old and new level, None where there is none.

    Raises Forbidden for a new value that is no level, as it cannot be compared. The specification
    does not say what is to be done about it in versions before 10.
    """
    for key in {**old, **new}:
        old_level = parse_power_level(old.get(key), version)
        new_level = parse_power_level(new.get(key), version)
        if new_level is None and key in new and new[key] != old.get(key):
            raise Forbidden(f"The level of {key} must be an integer")
        if old_level != new_level:
            yield key, old_level, new_level


def _require_within(sender_level: int, name: str, old: int | None, new: int | None) -> None:
    for level in (old, new):
        if level is not None and level > sender_level:
            raise Forbidden(
                f"A power level of {sender_level} does not suffice to change the level of {name}"
                f" from {old} to {new}"
            )
