from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import (
    BadJson,
    InvalidParam,
    MatrixError,
    MissingParam,
    NotFound,
    Unknown,
)
from homeserver.domain.push_rules import (
    RuleActions,
    RuleKind,
    UserPushRules,
    compile_user_rules,
    parse_rule,
    parse_rule_kind,
)
from homeserver.domain.push_rules.user_rules import MAX_CUSTOM_RULES
from tests.homeserver.domain.push_rule_factory import BOB, CAROL, DEFAULT, ROOM, a_rule, with_rules

CONTENT = RuleKind.CONTENT
OVERRIDE = RuleKind.OVERRIDE
UNDERRIDE = RuleKind.UNDERRIDE
MESSAGE = ".m.rule.message"


def shown(rules: UserPushRules, kind: str) -> list[JsonObject]:
    """The rules of a kind as the API shows them."""
    ruleset: list[JsonObject] = rules.to_json(BOB)["global"][kind]
    return ruleset


def shown_ids(rules: UserPushRules, kind: str = "content") -> list[str]:
    return [rule["rule_id"] for rule in shown(rules, kind)]


def keywords(*rule_ids: str) -> UserPushRules:
    """Content rules, the most important one first."""
    return with_rules(*(a_rule("content", rule_id, pattern=rule_id) for rule_id in rule_ids))


def test_a_content_rule_is_shown_with_its_pattern() -> None:
    rules = with_rules(a_rule("content", "nocake", pattern="cake*lie"))
    assert shown(rules, "content") == [
        {
            "rule_id": "nocake",
            "default": False,
            "enabled": True,
            "actions": [],
            "pattern": "cake*lie",
        }
    ]


@pytest.mark.parametrize("kind", ["room", "sender"])
def test_room_and_sender_rules_have_neither_conditions_nor_pattern(kind: str) -> None:
    rule = a_rule(kind, ROOM, conditions=[{"kind": "contains_display_name"}], pattern="x")
    assert rule.to_json(BOB) == {
        "rule_id": ROOM,
        "default": False,
        "enabled": True,
        "actions": [],
    }


CONDITIONS: list[JsonObject] = [
    {"kind": "event_match", "key": "content.body", "pattern": "beer"},
    {"kind": "event_property_is", "key": "content.x", "value": True},
    {"kind": "event_property_is", "key": "content.x", "value": 1},
    {"kind": "event_property_contains", "key": "content.x", "value": None},
    {"kind": "contains_display_name"},
    {"kind": "room_member_count", "is": "<=10"},
    {"kind": "sender_notification_permission", "key": "room"},
    {"kind": "org.example.moon_phase", "phase": {"min": 0.5, "names": ["full"]}},
]
ACTIONS: list[Any] = [
    "notify",
    {"set_tweak": "sound", "value": "beeroclock.wav"},
    {"set_tweak": "org.example.flash", "value": {"times": 3}},
    "org.example.wave",
    {"org.example.jump": True},
]


@pytest.mark.parametrize("kind", ["override", "underride"])
def test_conditions_and_actions_are_shown_as_they_were_put(kind: str) -> None:
    rule = a_rule(kind, "beer", conditions=CONDITIONS, actions=ACTIONS)
    assert rule.to_json(BOB) == {
        "rule_id": "beer",
        "default": False,
        "enabled": True,
        "conditions": CONDITIONS,
        "actions": ACTIONS,
    }


def test_historical_actions_are_dropped() -> None:
    rule = a_rule("override", actions=["dont_notify", "notify", "coalesce"])
    assert rule.to_json(BOB)["actions"] == ["notify"]


@pytest.mark.parametrize("rule_id", ["", ".mine", "a/b", "a\\b"])
def test_a_rule_id_must_not_be_reserved_or_look_like_a_path(rule_id: str) -> None:
    with pytest.raises(InvalidParam):
        parse_rule(OVERRIDE, rule_id, {"actions": []})


def a_body(condition: Any) -> JsonObject:
    return {"actions": [], "conditions": [condition]}


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("room", {}, MissingParam),
        ("room", {"actions": None}, BadJson),
        ("room", {"actions": "notify"}, BadJson),
        ("room", {"actions": [1]}, BadJson),
        ("room", {"actions": [["notify"]]}, BadJson),
        ("room", {"actions": [{"set_tweak": 1}]}, BadJson),
        ("room", {"actions": ["\ud800"]}, BadJson),
        ("content", {"actions": []}, MissingParam),
        ("content", {"actions": [], "pattern": 1}, BadJson),
        ("override", {"actions": [], "conditions": {}}, BadJson),
        ("override", a_body("event_match"), BadJson),
        ("override", a_body({}), MissingParam),
        ("override", a_body({"kind": 1}), BadJson),
        ("override", a_body({"kind": "event_match", "key": "type"}), MissingParam),
        ("override", a_body({"kind": "event_match", "pattern": "x"}), MissingParam),
        ("override", a_body({"kind": "event_match", "key": "type", "pattern": 1}), BadJson),
        ("override", a_body({"kind": "event_property_is", "key": "type"}), MissingParam),
        ("override", a_body({"kind": "event_property_is", "key": "a", "value": []}), BadJson),
        ("override", a_body({"kind": "event_property_is", "key": "a", "value": 1.5}), BadJson),
        ("override", a_body({"kind": "event_property_is", "key": "a", "value": 2**53}), BadJson),
        ("underride", a_body({"kind": "event_property_contains", "key": "a"}), MissingParam),
        ("underride", a_body({"kind": "room_member_count"}), MissingParam),
        ("underride", a_body({"kind": "room_member_count", "is": 2}), BadJson),
        ("underride", a_body({"kind": "room_member_count", "is": "=2"}), BadJson),
        ("underride", a_body({"kind": "room_member_count", "is": "2.5"}), BadJson),
        ("underride", a_body({"kind": "sender_notification_permission"}), MissingParam),
    ],
)
def test_malformed_rules_are_refused(kind: str, body: JsonObject, error: type[MatrixError]) -> None:
    with pytest.raises(error):
        parse_rule(parse_rule_kind(kind), "rule", body)


def test_there_are_five_kinds() -> None:
    assert [parse_rule_kind(kind.value) for kind in RuleKind] == list(RuleKind)
    with pytest.raises(InvalidParam):
        parse_rule_kind("overrides")


def test_a_new_rule_is_the_most_important_of_its_kind() -> None:
    rules = keywords("old").add_rule(a_rule("content", "new", pattern="x"))
    assert shown_ids(rules) == ["new", "old"]


@pytest.mark.parametrize(
    ("places", "order"),
    [
        ({"before": "a"}, ["new", "a", "b", "c"]),
        ({"before": "c"}, ["a", "b", "new", "c"]),
        ({"after": "a"}, ["a", "new", "b", "c"]),
        ({"after": "c"}, ["a", "b", "c", "new"]),
        ({"before": "c", "after": "a"}, ["a", "b", "new", "c"]),
    ],
)
def test_a_rule_is_placed_before_or_after_another(places: dict[str, str], order: list[str]) -> None:
    rules = keywords("a", "b", "c").add_rule(a_rule("content", "new", pattern="x"), **places)
    assert shown_ids(rules) == order


def test_a_rule_can_be_moved() -> None:
    rules = keywords("a", "b", "c").add_rule(a_rule("content", "a", pattern="x"), after="b")
    assert shown_ids(rules) == ["b", "a", "c"]


def test_an_updated_rule_keeps_its_place_and_stays_disabled() -> None:
    rules = keywords("a", "b", "c").set_enabled(CONTENT, "b", False)
    rules = rules.add_rule(a_rule("content", "b", pattern="changed"))
    assert shown_ids(rules) == ["a", "b", "c"]
    assert shown(rules, "content")[1]["pattern"] == "changed"
    assert shown(rules, "content")[1]["enabled"] is False


def test_rules_of_different_kinds_do_not_get_in_each_others_way() -> None:
    rules = keywords("a").add_rule(a_rule("override", "a"))
    rules = rules.delete_rule(CONTENT, "a")
    assert shown_ids(rules, "content") == []
    assert "a" in shown_ids(rules, "override")


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    ("other", "error"),
    [("absent", Unknown), ("new", Unknown), (".m.rule.message", InvalidParam)],
)
def test_a_rule_can_only_be_placed_next_to_an_own_rule(
    place: str, other: str, error: type[MatrixError]
) -> None:
    with pytest.raises(error):
        keywords("a").add_rule(a_rule("content", "new", pattern="x"), **{place: other})


def test_the_rules_of_the_user_stand_between_the_master_rule_and_the_predefined_ones() -> None:
    rules = with_rules(a_rule("override", "mine"), a_rule("underride", "fallback"))
    assert shown_ids(rules, "override")[:3] == [
        ".m.rule.master",
        "mine",
        ".m.rule.suppress_notices",
    ]
    assert shown_ids(rules, "underride")[:2] == ["fallback", ".m.rule.call"]


def test_the_number_of_rules_is_limited() -> None:
    rules = keywords(*(str(number) for number in range(MAX_CUSTOM_RULES)))
    with pytest.raises(InvalidParam):
        rules.add_rule(a_rule("room", ROOM))
    assert rules.add_rule(a_rule("content", "5", pattern="changed")) != rules


def test_own_rules_can_be_deleted_and_predefined_ones_cannot() -> None:
    assert keywords("a").delete_rule(CONTENT, "a") == DEFAULT
    with pytest.raises(NotFound):
        DEFAULT.delete_rule(CONTENT, "a")
    with pytest.raises(InvalidParam):
        DEFAULT.delete_rule(UNDERRIDE, MESSAGE)


def test_predefined_rules_can_be_disabled_and_enabled_again() -> None:
    rules = DEFAULT.set_enabled(UNDERRIDE, MESSAGE, False)
    assert not rules.rule(UNDERRIDE, MESSAGE).enabled
    assert rules.rule(UNDERRIDE, MESSAGE).default
    assert rules.set_enabled(UNDERRIDE, MESSAGE, True) == DEFAULT


def test_the_actions_of_rules_can_be_changed() -> None:
    silent = RuleActions.parse([])
    rules = keywords("a").set_actions(UNDERRIDE, MESSAGE, silent)
    rules = rules.set_actions(CONTENT, "a", RuleActions.parse(["notify"]))
    assert rules.rule(UNDERRIDE, MESSAGE).actions == silent
    assert rules.rule(CONTENT, "a").to_json(BOB)["actions"] == ["notify"]


@pytest.mark.parametrize(("kind", "rule_id"), [(OVERRIDE, MESSAGE), (CONTENT, "absent")])
def test_rules_are_found_by_kind_and_id(kind: RuleKind, rule_id: str) -> None:
    for change in (
        lambda: DEFAULT.rule(kind, rule_id),
        lambda: DEFAULT.set_enabled(kind, rule_id, True),
        lambda: DEFAULT.set_actions(kind, rule_id, RuleActions.parse([])),
    ):
        with pytest.raises(NotFound):
            change()


def test_values_of_conditions_differ_by_type() -> None:
    def rules_for(value: Any) -> UserPushRules:
        condition = {"kind": "event_property_is", "key": "content.x", "value": value}
        return with_rules(a_rule("override", conditions=[condition]))

    assert rules_for(1) != rules_for(True)
    assert compile_user_rules(rules_for(1)) is not compile_user_rules(rules_for(True))
    assert rules_for(1).fingerprint != rules_for(True).fingerprint


def test_equal_rules_of_different_users_are_compiled_once() -> None:
    def changed() -> UserPushRules:
        return keywords("a").set_enabled(UNDERRIDE, MESSAGE, False)

    assert compile_user_rules(changed()) is compile_user_rules(changed())
    assert changed().fingerprint == changed().fingerprint
    assert changed().fingerprint != DEFAULT.fingerprint


def test_predefined_rules_name_the_user_they_are_shown_to() -> None:
    for user_id in (BOB, CAROL):
        shown_rules = DEFAULT.to_json(user_id)["global"]["override"]
        mention = next(r for r in shown_rules if r["rule_id"] == ".m.rule.is_user_mention")
        assert mention["conditions"][0]["value"] == user_id


def test_a_stored_condition_that_makes_no_sense_any_more_never_matches() -> None:
    stored = (
        b'{"custom":[{"kind":"override","rule_id":"x","actions":["notify"],'
        b'"conditions":[{"kind":"event_match","key":"type"}]}],'
        b'"changes":{".m.rule.gone":{"enabled":false}}}'
    )
    rules = UserPushRules.from_stored(stored)
    assert rules.rule(OVERRIDE, "x").to_json(BOB)["conditions"] == [
        {"kind": "event_match", "key": "type"}
    ]
    assert UserPushRules.from_stored(rules.to_stored()) == rules


own_rules = st.builds(
    a_rule,
    st.sampled_from(["override", "content", "room", "sender", "underride"]),
    st.sampled_from(["a", "b", "c", "d"]),
    actions=st.lists(st.sampled_from(ACTIONS), max_size=2),
    conditions=st.lists(st.sampled_from(CONDITIONS), max_size=2),
    pattern=st.sampled_from(["x", "y*"]),
    enabled=st.booleans(),
)


@given(st.lists(own_rules, max_size=6), st.booleans(), st.booleans())
def test_stored_rules_are_read_back(rules: list[Any], enabled: bool, silent: bool) -> None:
    user_rules = DEFAULT.set_enabled(OVERRIDE, ".m.rule.master", enabled)
    if silent:
        user_rules = user_rules.set_actions(UNDERRIDE, MESSAGE, RuleActions.parse([]))
    for rule in rules:
        user_rules = user_rules.add_rule(rule)
    stored = user_rules.to_stored()
    assert UserPushRules.from_stored(stored) == user_rules
    assert UserPushRules.from_stored(stored).to_json(BOB) == user_rules.to_json(BOB)
    assert UserPushRules.from_stored(stored).fingerprint == user_rules.fingerprint
