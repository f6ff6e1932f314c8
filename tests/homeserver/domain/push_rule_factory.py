"""Messages, rooms and rules for the tests of push rules."""

from __future__ import annotations

from typing import Any, Final

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.power_levels import PowerLevels
from homeserver.domain.push_rules import (
    PushActions,
    PushRule,
    Recipient,
    RoomContext,
    RuleKind,
    UserPushRules,
    compile_user_rules,
    evaluate,
    parse_rule,
)
from homeserver.domain.room_versions import room_version
from tests.homeserver.domain.pdus import a_create_event, an_event

VERSION: Final = room_version("11")
ROOM: Final = RoomId("!r:example.org")
BOB: Final = UserId("@bob:example.org")
CAROL: Final = UserId("@carol:example.org")
DEFAULT: Final = UserPushRules()


def a_message(
    content: JsonObject | None = None, *, type: str = "m.room.message", **draft: Any
) -> Event:
    """An event of Alice, a text message unless told otherwise."""
    if content is None:
        content = {"msgtype": "m.text", "body": "hello"}
    return an_event(VERSION, type=type, content=content, **draft)


def saying(body: Any) -> Event:
    return a_message({"msgtype": "m.text", "body": body})


def mentioning(*user_ids: str, **content: Any) -> JsonObject:
    """The content of a message that mentions users."""
    return {"msgtype": "m.text", "body": "hi", "m.mentions": {"user_ids": [*user_ids]}, **content}


def a_context(member_count: int = 5, power_levels: JsonObject | None = None) -> RoomContext:
    """A room in which nobody has power unless told otherwise."""
    content = {"users_default": 0} if power_levels is None else power_levels
    return RoomContext(member_count, PowerLevels.of(content, a_create_event(VERSION)))


def a_rule(
    kind: str, rule_id: str = "rule", *, enabled: bool = True, actions: Any = (), **body: Any
) -> PushRule:
    """A rule as a client puts it, disabled afterwards if told so."""
    rule_kind = RuleKind(kind)
    rules = UserPushRules().add_rule(
        parse_rule(rule_kind, rule_id, {"actions": list(actions), **body})
    )
    return rules.set_enabled(rule_kind, rule_id, enabled).rule(rule_kind, rule_id)


def with_rules(*rules: PushRule) -> UserPushRules:
    """The rules of a user whose own rules are these, most important first."""
    return UserPushRules(
        tuple(rule for kind in RuleKind for rule in rules if rule.kind is kind),
    )


def outcome(
    rules: UserPushRules,
    event: Event,
    room: RoomContext | None = None,
    *,
    user_id: UserId = BOB,
    display_name: str | None = None,
) -> PushActions | None:
    """What the rules of a user, Bob unless told otherwise, do about an event."""
    recipient = Recipient(user_id, display_name)
    return evaluate(compile_user_rules(rules), event, room or a_context(), recipient)


def matching_rule(rules: UserPushRules, event: Event, **context: Any) -> str | None:
    """The ID of the rule that matches."""
    actions = outcome(rules, event, **context)
    return None if actions is None else actions.rule_id


def satisfies(event: Event, condition: JsonObject, **context: Any) -> bool:
    """Whether a condition, stated as JSON, holds for an event."""
    rules = with_rules(a_rule("override", "condition", conditions=[condition]))
    return matching_rule(rules, event, **context) == "condition"
