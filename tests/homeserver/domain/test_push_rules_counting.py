from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import event as note
from hypothesis import strategies as st

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.push_rules import (
    CountingClass,
    DefaultOutcome,
    PushActions,
    RoomContext,
    RuleActions,
    RuleKind,
    UserPushRules,
    classify,
    counting_classes,
    default_outcome,
    mention_candidates,
    outcome_in_class,
)
from tests.homeserver.domain.pdus import ALICE
from tests.homeserver.domain.push_rule_factory import (
    BOB,
    CAROL,
    DEFAULT,
    ROOM,
    a_context,
    a_message,
    a_rule,
    mentioning,
    outcome,
    saying,
    with_rules,
)
from tests.homeserver.domain.push_rule_strategies import EVENT_TYPES, OTHER_ROOM, user_rules

OVERRIDE = RuleKind.OVERRIDE
UNDERRIDE = RuleKind.UNDERRIDE
SILENT = RuleActions.parse([])

A_MUTED_ROOM = with_rules(
    a_rule(
        "override", ROOM, conditions=[{"kind": "event_match", "key": "room_id", "pattern": ROOM}]
    )
)
A_ROOM_FOR_MENTIONS = with_rules(a_rule("room", ROOM))
A_LOUD_ROOM = with_rules(a_rule("room", ROOM, actions=["notify"]))
A_KEYWORD = with_rules(a_rule("content", "cake", pattern="cake", actions=["notify"]))
A_MUTED_SENDER = with_rules(a_rule("sender", ALICE))
A_MUTED_DOMAIN = with_rules(
    a_rule(
        "override",
        "all",
        conditions=[{"kind": "event_match", "key": "room_id", "pattern": "*:example.org"}],
    )
)


def silenced(*rule_ids: str) -> UserPushRules:
    rules = DEFAULT
    for rule_id in rule_ids:
        rules = rules.set_actions(UNDERRIDE, f".m.rule.{rule_id}", SILENT)
    return rules


def overridden(name: str, actions: list[Any]) -> UserPushRules:
    return DEFAULT.set_actions(OVERRIDE, f".m.rule.{name}", RuleActions.parse(actions))


def disabled(name: str) -> UserPushRules:
    return DEFAULT.set_enabled(OVERRIDE, f".m.rule.{name}", False)


def combined(*parts: UserPushRules) -> UserPushRules:
    rules = [rule for part in parts for rule in part.custom]
    return with_rules(*rules)


@pytest.mark.parametrize(
    ("rules", "here", "elsewhere"),
    [
        (DEFAULT, "DEFAULT", "DEFAULT"),
        (A_MUTED_ROOM, "NOTHING", "DEFAULT"),
        (A_ROOM_FOR_MENTIONS, "MENTIONS_ONLY", "DEFAULT"),
        (A_LOUD_ROOM, "INDIVIDUAL", "DEFAULT"),
        (A_KEYWORD, "INDIVIDUAL", "INDIVIDUAL"),
        (A_MUTED_SENDER, "INDIVIDUAL", "INDIVIDUAL"),
        (combined(A_KEYWORD, A_MUTED_ROOM), "NOTHING", "INDIVIDUAL"),
        (combined(A_KEYWORD, A_ROOM_FOR_MENTIONS), "INDIVIDUAL", "INDIVIDUAL"),
        (combined(A_MUTED_SENDER, A_ROOM_FOR_MENTIONS), "MENTIONS_ONLY", "INDIVIDUAL"),
        (combined(A_MUTED_ROOM, A_LOUD_ROOM), "NOTHING", "DEFAULT"),
        (A_MUTED_DOMAIN, "INDIVIDUAL", "INDIVIDUAL"),
        (with_rules(a_rule("override", "all")), "NOTHING", "NOTHING"),
        (with_rules(a_rule("room", ROOM, enabled=False)), "DEFAULT", "DEFAULT"),
        (DEFAULT.set_enabled(OVERRIDE, ".m.rule.master", True), "NOTHING", "NOTHING"),
        (overridden("master", ["notify"]), "DEFAULT", "DEFAULT"),
        (silenced("message"), "INDIVIDUAL", "INDIVIDUAL"),
        (
            silenced(
                "message", "encrypted", "room_one_to_one", "encrypted_room_one_to_one", "call"
            ),
            "MENTIONS_ONLY",
            "MENTIONS_ONLY",
        ),
        (disabled("suppress_notices"), "INDIVIDUAL", "INDIVIDUAL"),
        (disabled("is_user_mention"), "DEFAULT", "DEFAULT"),
        (overridden("is_user_mention", []), "INDIVIDUAL", "INDIVIDUAL"),
        (overridden("is_user_mention", ["notify"]), "INDIVIDUAL", "INDIVIDUAL"),
        (disabled("is_room_mention"), "INDIVIDUAL", "INDIVIDUAL"),
        (overridden("is_room_mention", ["notify"]), "INDIVIDUAL", "INDIVIDUAL"),
        (disabled("invite_for_me"), "DEFAULT", "DEFAULT"),
        (
            DEFAULT.set_actions(
                UNDERRIDE,
                ".m.rule.message",
                RuleActions.parse(["notify", {"set_tweak": "sound", "value": "ping"}]),
            ),
            "DEFAULT",
            "DEFAULT",
        ),
    ],
)
def test_rules_have_a_class_in_each_room(rules: UserPushRules, here: str, elsewhere: str) -> None:
    assert classify(rules, ROOM) is CountingClass[here]
    assert classify(rules, OTHER_ROOM) is CountingClass[elsewhere]


def test_rooms_are_told_apart_by_case_only_where_rules_do() -> None:
    shouted = RoomId(ROOM.replace("r", "R", 1))
    assert classify(A_MUTED_ROOM, shouted) is CountingClass.NOTHING
    assert classify(A_ROOM_FOR_MENTIONS, shouted) is CountingClass.DEFAULT


def test_the_classes_name_the_rooms_that_differ() -> None:
    rules = combined(A_MUTED_ROOM, with_rules(a_rule("room", OTHER_ROOM)))
    classes = counting_classes(rules)
    assert classes.elsewhere is CountingClass.DEFAULT
    assert classes.named_rooms == {ROOM, OTHER_ROOM}
    assert classes.in_room(OTHER_ROOM) is CountingClass.MENTIONS_ONLY


MENTION_OF_ALL = {"msgtype": "m.text", "body": "all", "m.mentions": {"room": True}}


@pytest.mark.parametrize(
    ("event", "notifies", "room_highlight"),
    [
        (saying("hello"), True, False),
        (a_message({}, type="m.room.encrypted"), True, False),
        (a_message({}, type="m.call.invite"), True, False),
        (a_message(mentioning(BOB)), True, False),
        (a_message(MENTION_OF_ALL), True, True),
        (a_message({}, type="m.room.tombstone", state_key=""), True, True),
        (a_message({"msgtype": "m.notice"}), False, False),
        (a_message({}, type="m.reaction"), False, False),
        (a_message({"topic": "x"}, type="m.room.topic", state_key=""), False, False),
        (
            a_message({"membership": "invite"}, type="m.room.member", state_key=BOB),
            False,
            False,
        ),
    ],
)
def test_an_event_has_a_default_outcome(event: Event, notifies: bool, room_highlight: bool) -> None:
    room = a_context(power_levels={"users": {ALICE: 50}})
    assert default_outcome(event, room) == DefaultOutcome(notifies, room_highlight)


def test_a_room_mention_without_the_power_for_it_highlights_for_nobody() -> None:
    assert default_outcome(a_message(MENTION_OF_ALL), a_context()) == DefaultOutcome(True, False)


@pytest.mark.parametrize(
    ("content", "candidates"),
    [
        (mentioning(BOB, CAROL, BOB), {BOB, CAROL}),
        (mentioning(ALICE), set()),
        ({"m.mentions": {"user_ids": [BOB, 1, None, [CAROL]]}}, {BOB}),
        ({"m.mentions": {"user_ids": BOB}}, set()),
        ({"m.mentions": [BOB]}, set()),
        ({"m.mentions": {"room": True}}, set()),
        ({"body": "bob: @bob:example.org"}, set()),
    ],
)
def test_those_mentioned_are_candidates(content: JsonObject, candidates: set[UserId]) -> None:
    assert mention_candidates(a_message(content)) == candidates


@pytest.mark.parametrize(
    ("membership", "candidates"), [("invite", {BOB}), ("join", set()), (1, set())]
)
def test_those_invited_are_candidates(membership: Any, candidates: set[UserId]) -> None:
    event = a_message({"membership": membership}, type="m.room.member", state_key=BOB)
    assert mention_candidates(event) == candidates


def test_there_is_no_common_outcome_for_individual_rules() -> None:
    with pytest.raises(ValueError, match="one by one"):
        outcome_in_class(CountingClass.INDIVIDUAL, DefaultOutcome(True, False))


def many_events() -> list[Event]:
    """Events of Alice in which everything that predefined rules look at is combined."""
    contents: list[JsonObject] = [
        {"body": "hello bob", **kind, **mentions, **relation}
        for kind in ({"msgtype": "m.text"}, {"msgtype": "m.notice"}, {"membership": "invite"})
        for mentions in (
            {},
            {"m.mentions": {"room": True}},
            {"m.mentions": {"user_ids": [BOB]}},
            {"m.mentions": {"user_ids": [BOB, CAROL], "room": True}},
        )
        for relation in ({}, {"m.relates_to": {"rel_type": "m.replace"}})
    ]
    return [
        a_message(content, type=event_type, state_key=state_key, room_id=room_id)
        for content in contents
        for event_type in EVENT_TYPES
        for state_key in (None, "", BOB)
        for room_id in (ROOM, OTHER_ROOM)
    ]


EVENTS = many_events()
ROOMS = [
    a_context(member_count, {"users_default": level})
    for member_count in (2, 3)
    for level in (0, 50)
]


def counted(actions: PushActions | None) -> DefaultOutcome:
    """What a full evaluation adds to the counts."""
    if actions is None:
        return DefaultOutcome(notifies=False, room_highlight=False)
    return DefaultOutcome(actions.notify, actions.highlight)


@given(user_rules(), st.sampled_from(ROOMS))
def test_the_class_of_a_user_counts_like_the_rules_of_the_user(
    rules: UserPushRules, room: RoomContext
) -> None:
    classes = {room_id: classify(rules, room_id) for room_id in (ROOM, OTHER_ROOM)}
    assume(set(classes.values()) != {CountingClass.INDIVIDUAL})
    note(", ".join(sorted({counting_class.name for counting_class in classes.values()})))

    for event in EVENTS:
        counting_class = classes[event.room_id]
        if counting_class is CountingClass.INDIVIDUAL:
            continue
        by_class = outcome_in_class(counting_class, default_outcome(event, room))
        by_rules = counted(outcome(rules, event, room, display_name="Bob"))
        if BOB not in mention_candidates(event) or counting_class is CountingClass.NOTHING:
            assert by_class == by_rules
        else:
            assert by_class.notifies <= by_rules.notifies
            assert by_class.room_highlight <= by_rules.room_highlight
