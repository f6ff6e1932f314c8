"""The conditions of push rules, as values.

Client-server API, push notifications, "Conditions". A condition of a kind that this server does not
know, or that lacks what its kind requires, never matches; it is kept for the clients that know it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from homeserver.domain.canonical_json import MAX_INTEGER, JsonObject, encode_lenient_json
from homeserver.domain.errors import BadJson, MissingParam
from homeserver.domain.identifiers import UserId

PropertyValue: TypeAlias = str | int | bool | None
"""A non-compound value of canonical JSON."""


class OwnUserId(Enum):
    """Stands in default rules for the ID of the user whose rules they are."""

    OWN_USER_ID = "own user ID"


OWN_USER_ID: Final = OwnUserId.OWN_USER_ID


def _typed(value: object) -> tuple[type, object]:
    """Tell ``True`` from ``1``, as JSON does."""
    return type(value), value


@attrs.frozen
class EventMatch:
    """``event_match``: a property of the event matches a glob."""

    key: str
    pattern: str | OwnUserId


@attrs.frozen
class EventPropertyIs:
    """``event_property_is``: a property of the event is exactly a value."""

    key: str
    value: PropertyValue = attrs.field(eq=_typed)


@attrs.frozen
class EventPropertyContains:
    """``event_property_contains``: a property of the event is an array with exactly a value."""

    key: str
    value: PropertyValue | OwnUserId = attrs.field(eq=_typed)


@attrs.frozen
class ContainsDisplayName:
    """``contains_display_name``: the body contains the name of the user in the room."""


@attrs.frozen
class RoomMemberCount:
    """``room_member_count``: the number of joined members compares to a number."""

    limit: str
    """The ``is`` of the condition: a comparison and a decimal integer."""

    def comparison(self) -> tuple[Callable[[int, int], bool], int] | None:
        """How the number of members compares to which number; None if ``limit`` makes no sense."""
        parts = _MEMBER_COUNT.fullmatch(self.limit)
        return (_COMPARISONS[parts[1]], int(parts[2])) if parts else None


@attrs.frozen
class SenderNotificationPermission:
    """``sender_notification_permission``: the sender has the power to notify like ``key``."""

    key: str


@attrs.frozen
class UnrecognisedCondition:
    """A condition that never matches."""

    encoded: bytes
    """The JSON object, with sorted keys."""


Condition: TypeAlias = (
    EventMatch
    | EventPropertyIs
    | EventPropertyContains
    | ContainsDisplayName
    | RoomMemberCount
    | SenderNotificationPermission
    | UnrecognisedCondition
)

_MEMBER_COUNT = re.compile(r"(==|<|>|<=|>=|)([0-9]{1,16})")
_COMPARISONS = MappingProxyType(
    {
        "": operator.eq,
        "==": operator.eq,
        "<": operator.lt,
        ">": operator.gt,
        "<=": operator.le,
        ">=": operator.ge,
    }
)


def parse_condition(condition: object) -> Condition:
    """Check a condition as clients send it.

    Raises BadJson, and MissingParam when a field is missing that the kind requires.
    """
    if not isinstance(condition, dict):
        raise BadJson("A condition must be an object")
    match _text(condition, "kind"):
        case "event_match":
            return EventMatch(_text(condition, "key"), _text(condition, "pattern"))
        case "event_property_is":
            return EventPropertyIs(_text(condition, "key"), _value(condition))
        case "event_property_contains":
            return EventPropertyContains(_text(condition, "key"), _value(condition))
        case "contains_display_name":
            return ContainsDisplayName()
        case "room_member_count":
            return _member_count(condition)
        case "sender_notification_permission":
            return SenderNotificationPermission(_text(condition, "key"))
    return UnrecognisedCondition(encode_lenient_json(condition))


def restore_condition(condition: JsonObject) -> Condition:
    """Read a condition that was stored, whatever is known today of its kind."""
    try:
        return parse_condition(condition)
    except (BadJson, MissingParam):
        return UnrecognisedCondition(encode_lenient_json(condition))


def condition_json(condition: Condition, user_id: UserId) -> JsonObject:
    """A condition as the API shows it to ``user_id``."""
    match condition:
        case EventMatch(key, pattern):
            return {"kind": "event_match", "key": key, "pattern": _named(pattern, user_id)}
        case EventPropertyIs(key, value):
            return {"kind": "event_property_is", "key": key, "value": value}
        case EventPropertyContains(key, value):
            return {
                "kind": "event_property_contains",
                "key": key,
                "value": _named(value, user_id),
            }
        case ContainsDisplayName():
            return {"kind": "contains_display_name"}
        case RoomMemberCount(limit):
            return {"kind": "room_member_count", "is": limit}
        case SenderNotificationPermission(key):
            return {"kind": "sender_notification_permission", "key": key}
        case UnrecognisedCondition(encoded):
            unrecognised: JsonObject = msgspec.json.decode(encoded, type=dict)
            return unrecognised


def _named(value: PropertyValue | OwnUserId, user_id: UserId) -> PropertyValue:
    return user_id if isinstance(value, OwnUserId) else value


def _text(condition: dict[str, Any], field: str) -> str:
    if field not in condition:
        raise MissingParam(f"A condition lacks its {field}")
    text = condition[field]
    if not isinstance(text, str):
        raise BadJson(f"The {field} of a condition must be a string")
    return text


def _value(condition: dict[str, Any]) -> PropertyValue:
    if "value" not in condition:
        raise MissingParam("A condition lacks its value")
    value = condition["value"]
    if value is not None and not isinstance(value, str | int):
        raise BadJson("The value of a condition must be a string, an integer, a boolean or null")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise BadJson("The value of a condition is outside of the range of canonical JSON")
    return value


def _member_count(condition: dict[str, Any]) -> RoomMemberCount:
    member_count = RoomMemberCount(_text(condition, "is"))
    if member_count.comparison() is None:
        raise BadJson("The is of a room_member_count condition must be a comparison and an integer")
    return member_count
