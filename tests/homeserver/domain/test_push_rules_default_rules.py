from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from tests.homeserver.domain.pdus import ALICE
from tests.homeserver.domain.push_rule_factory import (
    BOB,
    CAROL,
    DEFAULT,
    a_context,
    a_message,
    mentioning,
    outcome,
)

HIGHLIGHT = {"set_tweak": "highlight"}
DEFAULT_SOUND = {"set_tweak": "sound", "value": "default"}


def a_default_rule(
    name: str, conditions: list[JsonObject], actions: list[Any], enabled: bool = True
) -> JsonObject:
    return {
        "rule_id": f".m.rule.{name}",
        "default": True,
        "enabled": enabled,
        "conditions": conditions,
        "actions": actions,
    }


def event_match(key: str, pattern: str) -> JsonObject:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def test_the_default_rules_are_those_of_the_specification() -> None:
    assert DEFAULT.to_json(BOB) == {
        "global": {
            "override": [
                a_default_rule("master", [], [], enabled=False),
                a_default_rule(
                    "suppress_notices", [event_match("content.msgtype", "m.notice")], []
                ),
                a_default_rule(
                    "invite_for_me",
                    [
                        event_match("type", "m.room.member"),
                        event_match("content.membership", "invite"),
                        event_match("state_key", BOB),
                    ],
                    ["notify", DEFAULT_SOUND],
                ),
                a_default_rule("member_event", [event_match("type", "m.room.member")], []),
                a_default_rule(
                    "is_user_mention",
                    [
                        {
                            "kind": "event_property_contains",
                            "key": "content.m\\.mentions.user_ids",
                            "value": BOB,
                        }
                    ],
                    ["notify", DEFAULT_SOUND, HIGHLIGHT],
                ),
                a_default_rule(
                    "is_room_mention",
                    [
                        {
                            "kind": "event_property_is",
                            "key": "content.m\\.mentions.room",
                            "value": True,
                        },
                        {"kind": "sender_notification_permission", "key": "room"},
                    ],
                    ["notify", HIGHLIGHT],
                ),
                a_default_rule(
                    "tombstone",
                    [event_match("type", "m.room.tombstone"), event_match("state_key", "")],
                    ["notify", HIGHLIGHT],
                ),
                a_default_rule("reaction", [event_match("type", "m.reaction")], []),
                a_default_rule(
                    "room.server_acl",
                    [event_match("type", "m.room.server_acl"), event_match("state_key", "")],
                    [],
                ),
                a_default_rule(
                    "suppress_edits",
                    [
                        {
                            "kind": "event_property_is",
                            "key": "content.m\\.relates_to.rel_type",
                            "value": "m.replace",
                        }
                    ],
                    [],
                ),
            ],
            "content": [],
            "room": [],
            "sender": [],
            "underride": [
                a_default_rule(
                    "call",
                    [event_match("type", "m.call.invite")],
                    ["notify", {"set_tweak": "sound", "value": "ring"}],
                ),
                a_default_rule(
                    "encrypted_room_one_to_one",
                    [
                        {"kind": "room_member_count", "is": "2"},
                        event_match("type", "m.room.encrypted"),
                    ],
                    ["notify", DEFAULT_SOUND],
                ),
                a_default_rule(
                    "room_one_to_one",
                    [
                        {"kind": "room_member_count", "is": "2"},
                        event_match("type", "m.room.message"),
                    ],
                    ["notify", DEFAULT_SOUND],
                ),
                a_default_rule("message", [event_match("type", "m.room.message")], ["notify"]),
                a_default_rule("encrypted", [event_match("type", "m.room.encrypted")], ["notify"]),
            ],
        }
    }


EDIT = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}
MENTION_OF_ALL = {"msgtype": "m.text", "body": "all", "m.mentions": {"room": True}}


@pytest.mark.parametrize(
    ("event", "rule", "highlight", "sound"),
    [
        (a_message(), "message", False, None),
        (a_message({}, type="m.room.encrypted"), "encrypted", False, None),
        (a_message({}, type="m.call.invite"), "call", False, "ring"),
        (a_message(mentioning(BOB)), "is_user_mention", True, "default"),
        (a_message(mentioning(CAROL)), "message", False, None),
        (a_message(mentioning(BOB, **EDIT)), "is_user_mention", True, "default"),
        (a_message(MENTION_OF_ALL), "is_room_mention", True, None),
        (a_message({}, type="m.room.tombstone", state_key=""), "tombstone", True, None),
        (
            a_message({"membership": "invite"}, type="m.room.member", state_key=BOB),
            "invite_for_me",
            False,
            "default",
        ),
    ],
)
def test_the_default_rules_notify(
    event: Event, rule: str, highlight: bool, sound: str | None
) -> None:
    room = a_context(power_levels={"users": {ALICE: 50}})
    actions = outcome(DEFAULT, event, room)
    assert actions is not None
    assert actions.notify
    assert (actions.rule_id, actions.highlight, actions.sound) == (
        f".m.rule.{rule}",
        highlight,
        sound,
    )


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        (a_message({"msgtype": "m.notice", "body": "x"}), "suppress_notices"),
        (a_message(mentioning(BOB, msgtype="m.notice")), "suppress_notices"),
        (a_message({"membership": "join"}, type="m.room.member", state_key=BOB), "member_event"),
        (
            a_message({"membership": "invite"}, type="m.room.member", state_key=CAROL),
            "member_event",
        ),
        (a_message({}, type="m.reaction"), "reaction"),
        (a_message({}, type="m.room.server_acl", state_key=""), "room.server_acl"),
        (a_message({"msgtype": "m.text", "body": "* x", **EDIT}), "suppress_edits"),
    ],
)
def test_the_default_rules_suppress(event: Event, rule: str) -> None:
    actions = outcome(DEFAULT, event)
    assert actions is not None
    assert actions.rule_id == f".m.rule.{rule}"
    assert not actions.notify
    assert not actions.highlight


@pytest.mark.parametrize(
    "event",
    [
        a_message({"topic": "x"}, type="m.room.topic", state_key=""),
        a_message({}, type="m.room.tombstone", state_key="other"),
        a_message({}, type="org.example.custom"),
    ],
)
def test_other_events_match_no_default_rule(event: Event) -> None:
    assert outcome(DEFAULT, event) is None


@pytest.mark.parametrize(
    ("type", "rule"),
    [
        ("m.room.message", ".m.rule.room_one_to_one"),
        ("m.room.encrypted", ".m.rule.encrypted_room_one_to_one"),
    ],
)
def test_messages_in_a_room_of_two_have_a_sound(type: str, rule: str) -> None:
    actions = outcome(DEFAULT, a_message({}, type=type), a_context(member_count=2))
    assert actions is not None
    assert (actions.rule_id, actions.sound) == (rule, "default")


def test_a_room_mention_without_the_power_for_it_is_a_mere_message() -> None:
    room = a_context(power_levels={"users": {ALICE: 49}})
    actions = outcome(DEFAULT, a_message(MENTION_OF_ALL), room)
    assert actions is not None
    assert actions.rule_id == ".m.rule.message"


def test_no_one_is_notified_of_their_own_events() -> None:
    assert outcome(DEFAULT, a_message(mentioning(ALICE)), user_id=ALICE) is None
