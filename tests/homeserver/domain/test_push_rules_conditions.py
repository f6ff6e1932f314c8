from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId
from tests.homeserver.domain.pdus import ALICE
from tests.homeserver.domain.push_rule_factory import (
    ROOM,
    a_context,
    a_message,
    satisfies,
    saying,
)


def event_match(key: str, pattern: str) -> JsonObject:
    return {"kind": "event_match", "key": key, "pattern": pattern}


@pytest.mark.parametrize(
    ("topic", "matches"),
    [
        ("Lunch plans", True),
        ("LUNCH", True),
        (" lunch", False),
        ("lunc", False),
        (None, False),
        (["lunch"], False),
        (1, False),
    ],
)
def test_event_match_looks_at_a_whole_string(topic: Any, matches: bool) -> None:
    event = a_message({"topic": topic}, type="m.room.topic", state_key="")
    assert satisfies(event, event_match("content.topic", "lunc?*")) is matches


@pytest.mark.parametrize(
    ("body", "matches"),
    [
        ("An example event.", True),
        ("exple", True),
        ("An exciting triple-whammy", True),
        ("EXAMPLE", True),
        ("examples", False),
        (7, False),
    ],
)
def test_event_match_looks_for_words_in_the_body(body: Any, matches: bool) -> None:
    assert satisfies(saying(body), event_match("content.body", "ex*PLE")) is matches


def test_only_the_body_of_the_content_itself_is_searched_for_words() -> None:
    event = a_message({"inner": {"body": "a word here"}})
    assert not satisfies(event, event_match("content.inner.body", "word"))
    assert satisfies(event, event_match("content.inner.body", "a word here"))


@pytest.mark.parametrize(
    ("key", "pattern", "matches"),
    [
        ("type", "m.room.*", True),
        ("type", "M.ROOM.MESSAGE", True),
        ("type", "m.room.messages", False),
        ("sender", ALICE, True),
        ("room_id", ROOM, True),
        ("room_id", "!other:example.org", False),
        ("event_id", "$*", True),
        ("state_key", "*", False),
        ("redacts", "*", False),
        ("content", "*", False),
        ("content.absent", "*", False),
        ("content.msgtype.deeper", "*", False),
        ("signatures", "*", False),
        ("type.deeper", "*", False),
        ("", "*", False),
    ],
)
def test_event_match_reads_the_fields_of_events(key: str, pattern: str, matches: bool) -> None:
    assert satisfies(a_message(), event_match(key, pattern)) is matches


def test_a_state_key_that_is_empty_matches_the_empty_pattern() -> None:
    event = a_message({}, type="m.room.topic", state_key="")
    assert satisfies(event, event_match("state_key", ""))


def test_dots_in_names_are_escaped_in_keys() -> None:
    event = a_message({"m.relates_to": {"rel_type": "m.thread"}})
    assert satisfies(event, event_match(r"content.m\.relates_to.rel_type", "m.thread"))
    assert not satisfies(event, event_match("content.m.relates_to.rel_type", "m.thread"))


@pytest.mark.parametrize("value", ["text", "", 0, 1, True, False, None])
@pytest.mark.parametrize("expected", ["text", "", 0, 1, True, False, None])
def test_event_property_is_compares_exactly(value: Any, expected: Any) -> None:
    condition = {"kind": "event_property_is", "key": "content.m\\.federate", "value": expected}
    equal = type(value) is type(expected) and value == expected
    assert satisfies(a_message({"m.federate": value}), condition) is equal


def test_event_property_is_does_not_match_what_is_absent() -> None:
    condition = {"kind": "event_property_is", "key": "content.absent", "value": None}
    assert not satisfies(a_message(), condition)


@pytest.mark.parametrize(
    ("aliases", "value", "matches"),
    [
        (["#somewhere:example.org", "#myroom:example.com"], "#myroom:example.com", True),
        (["#myroom:example.com"], ":example.com", False),
        ([1, True], 1, True),
        ([True], 1, False),
        ([{"a": "b"}, [None]], None, False),
        ([None], None, True),
        ("#myroom:example.com", "#myroom:example.com", False),
        ({"#myroom:example.com": 1}, "#myroom:example.com", False),
    ],
)
def test_event_property_contains_looks_for_a_value_in_an_array(
    aliases: Any, value: Any, matches: bool
) -> None:
    condition = {"kind": "event_property_contains", "key": "content.alt_aliases", "value": value}
    assert satisfies(a_message({"alt_aliases": aliases}), condition) is matches


@pytest.mark.parametrize(
    ("display_name", "body", "matches"),
    [
        ("Bob", "hello bob!", True),
        ("Bob", "bobby", False),
        ("B.b", "hello bob", False),
        ("*", "anything", False),
        ("*", "a * b", True),
        ("", "hello", False),
        (None, "None", False),
        ("Bob", 5, False),
    ],
)
def test_contains_display_name_looks_for_the_name_in_the_room(
    display_name: str | None, body: Any, matches: bool
) -> None:
    condition = {"kind": "contains_display_name"}
    assert satisfies(saying(body), condition, display_name=display_name) is matches


@pytest.mark.parametrize(
    ("limit", "matching_counts"),
    [
        ("2", [2]),
        ("==2", [2]),
        ("<2", [0, 1]),
        (">2", [3, 4]),
        ("<=2", [0, 1, 2]),
        (">=2", [2, 3, 4]),
    ],
)
def test_room_member_count_compares(limit: str, matching_counts: list[int]) -> None:
    condition = {"kind": "room_member_count", "is": limit}
    counts = [
        count for count in range(5) if satisfies(saying("x"), condition, room=a_context(count))
    ]
    assert counts == matching_counts


@pytest.mark.parametrize(
    ("power_levels", "key", "matches"),
    [
        ({"users": {ALICE: 50}}, "room", True),
        ({"users": {ALICE: 49}}, "room", False),
        ({"users": {ALICE: 20}, "notifications": {"room": 20}}, "room", True),
        ({"users": {ALICE: 60}, "notifications": {"room": 70}}, "room", False),
        ({"users": {ALICE: 60}, "notifications": {"room": 70}}, "other", True),
        ({"users_default": 50}, "room", True),
        ({}, "room", False),
    ],
)
def test_the_sender_needs_the_power_to_notify(
    power_levels: JsonObject, key: str, matches: bool
) -> None:
    condition = {"kind": "sender_notification_permission", "key": key}
    room = a_context(power_levels=power_levels)
    assert satisfies(saying("x"), condition, room=room) is matches


def test_a_condition_of_an_unknown_kind_never_matches() -> None:
    condition = {"kind": "org.matrix.msc3931.room_version_supports", "feature": "x"}
    assert not satisfies(saying("x"), condition)


def test_the_room_is_compared_by_its_whole_id() -> None:
    event = a_message(room_id=RoomId("!other:example.org"))
    assert not satisfies(event, event_match("room_id", ROOM))
