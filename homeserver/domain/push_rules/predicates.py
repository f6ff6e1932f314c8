"""What the conditions of push rules compute.

Client-server API, push notifications, "Conditions". "Case-insensitive" means here that texts are
equal after `str.lower`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from homeserver.domain.events import Event
from homeserver.domain.globs import Matcher, compile_glob, compile_word_glob, compile_words
from homeserver.domain.identifiers import UserId
from homeserver.domain.power_levels import PowerLevels
from homeserver.domain.property_paths import parse_property_path
from homeserver.domain.push_rules.conditions import (
    Condition,
    ContainsDisplayName,
    EventMatch,
    EventPropertyContains,
    EventPropertyIs,
    OwnUserId,
    PropertyValue,
    RoomMemberCount,
    SenderNotificationPermission,
    UnrecognisedCondition,
)

BODY: Final = ("content", "body")
"""The property in which `event_match` looks for words."""


@attrs.frozen
class RoomContext:
    """What push rules ask about a room; the same for all its members."""

    member_count: int
    """How many users are joined."""
    power_levels: PowerLevels
    """The power levels in force when the event was sent."""


@attrs.frozen
class Recipient:
    """The user whose rules are evaluated."""

    user_id: UserId
    display_name: str | None
    """The name of the user in the room."""


Predicate: TypeAlias = Callable[[Event, RoomContext, Recipient], bool]
_Reader: TypeAlias = Callable[[Event], object]

_ABSENT: Final = object()

_EVENT_FIELDS: Mapping[str, _Reader] = MappingProxyType(
    {
        "type": lambda event: event.type,
        "sender": lambda event: event.sender,
        "room_id": lambda event: event.room_id,
        "event_id": lambda event: event.event_id,
        "origin_server_ts": lambda event: event.origin_server_ts,
        "state_key": lambda event: _ABSENT if event.state_key is None else event.state_key,
        "redacts": lambda event: _ABSENT if event.redacts is None else event.redacts,
    }
)


def compile_condition(condition: Condition) -> Predicate | None:
    """The predicate of a condition; None when it never holds."""
    match condition:
        case EventMatch(key, pattern):
            return _event_match(key, pattern)
        case EventPropertyIs(key, value):
            return _property_is(key, value)
        case EventPropertyContains(key, value):
            return _property_contains(key, value)
        case ContainsDisplayName():
            return _contains_display_name
        case RoomMemberCount():
            return _member_count(condition)
        case SenderNotificationPermission(key):
            return _sender_may_notify(key)
        case UnrecognisedCondition():
            return None


def compile_pattern(key: str, pattern: str) -> Matcher:
    """How a property at ``key`` matches a glob, for values that are lowered."""
    is_body = parse_property_path(key) == BODY
    return compile_word_glob(pattern.lower()) if is_body else compile_glob(pattern.lower())


def _event_match(key: str, pattern: str | OwnUserId) -> Predicate:
    read = _compile_reader(key)
    if isinstance(pattern, OwnUserId):
        # User IDs differ when their case does, and old ones may contain an asterisk.
        return lambda event, room, recipient: read(event) == recipient.user_id
    matches = compile_pattern(key, pattern)

    def event_matches(event: Event, room: RoomContext, recipient: Recipient) -> bool:
        value = read(event)
        return isinstance(value, str) and matches(value.lower())

    return event_matches


def _property_is(key: str, expected: PropertyValue) -> Predicate:
    read = _compile_reader(key)
    expected_type = type(expected)

    def property_is(event: Event, room: RoomContext, recipient: Recipient) -> bool:
        value = read(event)
        return type(value) is expected_type and value == expected

    return property_is


def _property_contains(key: str, expected: PropertyValue | OwnUserId) -> Predicate:
    read = _compile_reader(key)
    expected_type = str if isinstance(expected, OwnUserId) else type(expected)

    def property_contains(event: Event, room: RoomContext, recipient: Recipient) -> bool:
        values = read(event)
        if not isinstance(values, list):
            return False
        wanted = recipient.user_id if isinstance(expected, OwnUserId) else expected
        return any(type(value) is expected_type and value == wanted for value in values)

    return property_contains


def _contains_display_name(event: Event, room: RoomContext, recipient: Recipient) -> bool:
    body = event.content.get("body")
    if not recipient.display_name or not isinstance(body, str):
        return False
    return _name_matcher(recipient.display_name.lower())(body.lower())


@lru_cache(maxsize=1024)
def _name_matcher(name: str) -> Matcher:
    return compile_words(name)


def _member_count(condition: RoomMemberCount) -> Predicate | None:
    comparison = condition.comparison()
    if comparison is None:
        return None
    compares, limit = comparison
    return lambda event, room, recipient: compares(room.member_count, limit)


def _sender_may_notify(key: str) -> Predicate:
    def sender_may_notify(event: Event, room: RoomContext, recipient: Recipient) -> bool:
        levels = room.power_levels
        return levels.user_level(event.sender) >= levels.notification_level(key)

    return sender_may_notify


def _compile_reader(key: str) -> _Reader:
    """How to read a property; the reader returns a value of no JSON type if there is none."""
    first, *rest = parse_property_path(key)
    if first == "content" and rest:
        return _compile_content_reader(rest)
    return _EVENT_FIELDS.get(key, _read_nothing)


def _compile_content_reader(names: list[str]) -> _Reader:
    *outer, last = names
    if not outer:
        return lambda event: event.content.get(last, _ABSENT)

    def read(event: Event) -> object:
        value: object = event.content
        for name in outer:
            value = value.get(name) if isinstance(value, dict) else None
        return value.get(last, _ABSENT) if isinstance(value, dict) else _ABSENT

    return read


def _read_nothing(event: Event) -> object:
    return _ABSENT
