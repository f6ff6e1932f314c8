from __future__ import annotations

import pytest
from hypothesis import given

from homeserver.domain.events import Event
from homeserver.domain.push_rules import RoomContext, RuleKind, UserPushRules
from homeserver.domain.push_rules.conditions import EventMatch
from homeserver.domain.push_rules.model import PushRule
from homeserver.domain.push_rules.predicates import Recipient, compile_condition
from tests.homeserver.domain.pdus import ALICE
from tests.homeserver.domain.push_rule_factory import (
    BOB,
    DEFAULT,
    ROOM,
    a_rule,
    matching_rule,
    outcome,
    saying,
    with_rules,
)
from tests.homeserver.domain.push_rule_strategies import events, rooms, user_rules

OVERRIDE = a_rule("override", "own override")
CONTENT = a_rule("content", "own content", pattern="hello")
FOR_ROOM = a_rule("room", ROOM)
FOR_SENDER = a_rule("sender", ALICE)
UNDERRIDE = a_rule("underride", "own underride")
HELLO = saying("hello world")


def test_kinds_are_checked_in_their_order() -> None:
    remaining = [OVERRIDE, CONTENT, FOR_ROOM, FOR_SENDER, UNDERRIDE]
    checked = []
    while remaining:
        checked.append(matching_rule(with_rules(*remaining), HELLO))
        remaining.pop(0)
    assert checked == ["own override", "own content", ROOM, ALICE, "own underride"]
    assert matching_rule(DEFAULT, HELLO) == ".m.rule.message"


def test_the_more_important_of_two_rules_is_used() -> None:
    tea = a_rule("content", "tea", pattern="tea")
    time = a_rule("content", "time", pattern="time")
    event = saying("It's time for tea")
    assert matching_rule(with_rules(tea, time), event) == "tea"
    assert matching_rule(with_rules(time, tea), event) == "time"


def test_disabled_rules_never_match() -> None:
    rules = with_rules(a_rule("override", enabled=False), a_rule("room", ROOM, enabled=False))
    assert matching_rule(rules, HELLO) == ".m.rule.message"


def test_the_master_rule_stands_above_the_rules_of_the_user() -> None:
    rules = with_rules(OVERRIDE).set_enabled(RuleKind.OVERRIDE, ".m.rule.master", True)
    assert matching_rule(rules, HELLO) == ".m.rule.master"


def test_all_conditions_of_a_rule_must_hold() -> None:
    conditions = [
        {"kind": "event_match", "key": "content.body", "pattern": "hello"},
        {"kind": "event_match", "key": "sender", "pattern": "@nobody:*"},
    ]
    rules = with_rules(a_rule("override", "both", conditions=conditions))
    assert matching_rule(rules, HELLO) == ".m.rule.message"


def test_a_rule_that_asks_for_two_types_never_matches() -> None:
    conditions = [
        {"kind": "event_match", "key": "type", "pattern": pattern}
        for pattern in ("m.room.message", "m.room.encrypted")
    ]
    rules = with_rules(a_rule("override", "both", conditions=conditions))
    assert matching_rule(rules, HELLO) == ".m.rule.message"


@pytest.mark.parametrize(
    ("actions", "notify", "highlight", "sound"),
    [
        ([], False, False, None),
        (["dont_notify"], False, False, None),
        (["notify"], True, False, None),
        (["notify", {"set_tweak": "highlight"}], True, True, None),
        (["notify", {"set_tweak": "highlight", "value": True}], True, True, None),
        (["notify", {"set_tweak": "highlight", "value": False}], True, False, None),
        (["notify", {"set_tweak": "highlight", "value": "true"}], True, False, None),
        (["notify", {"set_tweak": "sound", "value": "ping"}], True, False, "ping"),
        (["notify", {"set_tweak": "sound"}], True, False, None),
        (["notify", {"set_tweak": "sound", "value": 1}], True, False, None),
        ([{"set_tweak": "highlight"}], False, False, None),
    ],
)
def test_actions_say_how_to_notify(
    actions: list[object], notify: bool, highlight: bool, sound: str | None
) -> None:
    result = outcome(with_rules(a_rule("override", actions=actions)), HELLO)
    assert result is not None
    assert (result.notify, result.highlight, result.sound) == (notify, highlight, sound)


def test_the_tweaks_are_passed_on() -> None:
    flash = {"set_tweak": "org.example.flash", "value": {"times": 3}}
    actions = ["notify", {"set_tweak": "highlight"}, {"set_tweak": "incomplete"}, flash]
    result = outcome(with_rules(a_rule("override", actions=actions)), HELLO)
    assert result is not None
    assert result.actions.tweaks == {"highlight": True, "org.example.flash": {"times": 3}}
    assert result.actions.to_json() == actions


def read_literally(rule: PushRule, event: Event, room: RoomContext, recipient: Recipient) -> bool:
    """Whether a rule matches, without any arrangement of rules."""
    match rule.kind:
        case RuleKind.ROOM:
            return event.room_id == rule.rule_id
        case RuleKind.SENDER:
            return event.sender == rule.rule_id
        case RuleKind.CONTENT:
            assert rule.pattern is not None
            conditions: tuple[object, ...] = (EventMatch("content.body", rule.pattern),)
        case _:
            conditions = rule.conditions
    predicates = [compile_condition(condition) for condition in conditions]  # type: ignore[arg-type]
    return all(predicate and predicate(event, room, recipient) for predicate in predicates)


@given(user_rules(), events, rooms)
def test_arranged_rules_match_like_the_rules_one_by_one(
    rules: UserPushRules, event: Event, room: RoomContext
) -> None:
    recipient = Recipient(BOB, "Bob")
    expected = next(
        (
            rule
            for kind in RuleKind
            for rule in rules.ruleset.of_kind(kind)
            if rule.enabled and read_literally(rule, event, room, recipient)
        ),
        None,
    )
    actions = outcome(rules, event, room, display_name="Bob")
    if expected is None or event.sender == BOB:
        assert actions is None
    else:
        assert actions is not None
        assert (actions.rule_id, actions.actions) == (expected.rule_id, expected.actions)
