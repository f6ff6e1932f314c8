"""Random events, rooms and rules that often have to do with each other."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId
from homeserver.domain.push_rules import PushRule, RoomContext, RuleActions, UserPushRules
from homeserver.domain.push_rules.default_rules import DEFAULT_RULES
from tests.homeserver.domain.pdus import ALICE
from tests.homeserver.domain.push_rule_factory import (
    BOB,
    CAROL,
    DEFAULT,
    ROOM,
    a_context,
    a_message,
    a_rule,
)

OTHER_ROOM: Final = RoomId("!other:example.org")

room_ids = st.sampled_from([ROOM, OTHER_ROOM, RoomId(ROOM.replace("r", "R", 1))])
user_ids = st.sampled_from([ALICE, BOB, CAROL, "@BOB:example.org"])
EVENT_TYPES: Final = (
    "m.room.message",
    "m.room.encrypted",
    "m.room.member",
    "M.Room.Member",
    "m.room.tombstone",
    "m.reaction",
    "m.call.invite",
    "m.room.topic",
)
event_types = st.sampled_from(EVENT_TYPES)
some_actions = st.sampled_from(
    [
        [],
        ["notify"],
        ["notify", {"set_tweak": "highlight"}],
        ["notify", {"set_tweak": "highlight", "value": False}],
        ["notify", {"set_tweak": "sound", "value": "ping"}],
        [{"set_tweak": "highlight"}],
    ]
)

_content_fields: dict[str, st.SearchStrategy[Any]] = {
    "msgtype": st.sampled_from(["m.text", "m.notice", 5]),
    "body": st.sampled_from(["hello", "hello bob", "bobby", "some cake", 1]),
    "membership": st.sampled_from(["join", "invite", "Invite", None]),
    "m.mentions": st.just("malformed")
    | st.fixed_dictionaries(
        {},
        optional={
            "user_ids": st.lists(user_ids | st.none(), max_size=3) | user_ids,
            "room": st.sampled_from([True, False, 1, "true"]),
        },
    ),
    "m.relates_to": st.fixed_dictionaries(
        {}, optional={"rel_type": st.sampled_from(["m.replace", "m.thread"])}
    ),
}
events: st.SearchStrategy[Event] = st.builds(
    a_message,
    st.fixed_dictionaries({}, optional=_content_fields),
    type=event_types,
    state_key=st.none() | st.just("") | user_ids,
    sender=st.sampled_from([ALICE, BOB]),
    room_id=room_ids,
)
rooms: st.SearchStrategy[RoomContext] = st.builds(
    a_context,
    st.sampled_from([2, 3]),
    st.fixed_dictionaries({"users_default": st.sampled_from([0, 50])}),
)


def _event_match(key: str, pattern: str) -> JsonObject:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _property(kind: str, key: str, value: Any) -> JsonObject:
    return {"kind": f"event_property_{kind}", "key": key, "value": value}


_room_conditions = st.builds(_event_match, st.just("room_id"), room_ids) | st.builds(
    _property, st.just("is"), st.just("room_id"), room_ids
)
_conditions = st.one_of(
    _room_conditions,
    st.builds(_event_match, st.just("type"), event_types | st.just("m.room.*")),
    st.builds(_property, st.just("contains"), st.just(r"content.m\.mentions.user_ids"), user_ids),
    st.sampled_from(
        [
            _event_match("room_id", "*:example.org"),
            _event_match("content.body", "bob"),
            _event_match("sender", ALICE),
            _event_match("state_key", "?*"),
            _property("is", r"content.m\.mentions.room", True),
            {"kind": "contains_display_name"},
            {"kind": "room_member_count", "is": "2"},
            {"kind": "sender_notification_permission", "key": "room"},
            {"kind": "org.example.unknown"},
        ]
    ),
)


def _rules(
    kind: str, rule_ids: st.SearchStrategy[str], **body: st.SearchStrategy[Any]
) -> st.SearchStrategy[PushRule]:
    return st.builds(
        a_rule,
        st.just(kind),
        rule_ids,
        actions=some_actions,
        enabled=st.sampled_from([True, True, False]),
        **body,
    )


_names = st.sampled_from(["a", "b", "c"])
_with_conditions = st.lists(_conditions, max_size=2)
own_rules: st.SearchStrategy[PushRule] = st.one_of(
    _rules("override", _names, conditions=_with_conditions),
    _rules("override", _names, conditions=st.lists(_room_conditions, min_size=1, max_size=1)),
    _rules("content", _names, pattern=st.sampled_from(["bob", "*", "ca?e"])),
    _rules("room", room_ids),
    _rules("sender", user_ids),
    _rules("underride", _names, conditions=_with_conditions),
)


@st.composite
def user_rules(draw: st.DrawFn) -> UserPushRules:
    """Rules of a user: some own ones, and some changes of predefined rules."""
    rules = DEFAULT
    for rule in draw(st.lists(own_rules, max_size=3)):
        rules = rules.add_rule(rule)
    for predefined in draw(st.lists(st.sampled_from(list(DEFAULT_RULES.values())), max_size=2)):
        kind, rule_id = predefined.kind, predefined.rule_id
        if draw(st.booleans()):
            rules = rules.set_enabled(kind, rule_id, draw(st.booleans()))
        else:
            rules = rules.set_actions(kind, rule_id, RuleActions.parse(draw(some_actions)))
    return rules
