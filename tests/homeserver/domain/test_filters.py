from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, InvalidParam
from homeserver.domain.filters import (
    CompiledFilter,
    CompiledRoomEventFilter,
    EventFields,
    compile_filter,
    compile_room_event_filter,
    parse_filter,
    parse_room_event_filter,
)
from tests.homeserver.domain.pdus import json_objects

ALICE = "@alice:example.org"
BOB = "@bob:example.org"
ROOM = "!r:example.org"
OTHER_ROOM = "!hash-of-a-create-event"


def compiled(**definition: Any) -> CompiledFilter:
    return compile_filter(parse_filter(definition))


def for_events(**definition: Any) -> CompiledRoomEventFilter:
    return compile_room_event_filter(parse_room_event_filter(definition))


def test_an_empty_filter_passes_everything() -> None:
    everything = compiled()
    assert everything.is_pass_all
    assert everything.room.is_pass_all
    assert everything.room.timeline.is_pass_all
    assert everything.room.timeline.limit is None
    assert everything.room.matches_room(ROOM)
    assert everything.room.timeline.matches("m.room.message", ALICE)
    assert everything.account_data.matches("m.direct", None)
    assert not everything.room.include_leave
    assert not everything.federation_format
    assert everything.event_fields is None


def test_the_example_of_the_specification() -> None:
    example = compiled(
        room={
            "state": {"types": ["m.room.*"], "not_rooms": [ROOM]},
            "timeline": {
                "limit": 10,
                "types": ["m.room.message"],
                "not_rooms": [ROOM],
                "not_senders": [BOB],
            },
            "ephemeral": {"types": ["m.receipt", "m.typing"], "not_senders": [BOB]},
        },
        presence={"types": ["m.presence"], "not_senders": [ALICE]},
        event_format="client",
        event_fields=["type", "content", "sender"],
    )
    room = example.room
    assert room.state.matches("m.room.topic", ALICE)
    assert not room.state.matches("org.example.state", ALICE)
    assert room.state.matches_room(OTHER_ROOM)
    assert not room.state.matches_room(ROOM)
    assert room.timeline.limit == 10
    assert room.timeline.matches("m.room.message", ALICE)
    assert not room.timeline.matches("m.room.message", BOB)
    assert room.ephemeral.matches("m.typing", None)
    assert not example.presence.matches("m.presence", ALICE)
    assert example.event_fields is not None
    assert not example.is_pass_all


@pytest.mark.parametrize(
    ("definition", "passes"),
    [
        ({"types": ["m.room.message"]}, True),
        ({"types": ["m.room.*"]}, True),
        ({"types": ["*"]}, True),
        ({"types": ["m.room.mess?ge"]}, False),
        ({"types": ["M.ROOM.MESSAGE"]}, False),
        ({"types": ["m.room"]}, False),
        ({"types": []}, False),
        ({"types": None}, True),
        ({"not_types": ["m.*.message"]}, False),
        ({"not_types": ["*"]}, False),
        ({"not_types": []}, True),
        ({"types": ["m.room.message"], "not_types": ["m.room.message"]}, False),
        ({"types": ["m.room.*"], "not_types": ["m.room.member"]}, True),
        ({"senders": [ALICE]}, True),
        ({"senders": [BOB]}, False),
        ({"senders": []}, False),
        ({"not_senders": [ALICE]}, False),
        ({"senders": [ALICE], "not_senders": [ALICE]}, False),
        ({"contains_url": False}, True),
        ({"contains_url": True}, False),
    ],
)
def test_events_pass_by_type_sender_and_url(definition: JsonObject, passes: bool) -> None:
    assert for_events(**definition).matches("m.room.message", ALICE) is passes


@pytest.mark.parametrize(("has_url", "passes"), [(True, True), (False, False)])
def test_events_can_be_required_to_have_a_url(has_url: bool, passes: bool) -> None:
    wants_url = for_events(contains_url=True)
    assert wants_url.contains_url is True
    assert wants_url.matches("m.room.message", ALICE, has_url=has_url) is passes


@pytest.mark.parametrize(
    ("definition", "passes"),
    [({}, True), ({"senders": [ALICE]}, False), ({"not_senders": [ALICE]}, True)],
)
def test_what_has_no_sender_is_in_no_list_of_senders(definition: JsonObject, passes: bool) -> None:
    assert compiled(account_data=definition).account_data.matches("m.direct", None) is passes


@pytest.mark.parametrize(
    ("definition", "rooms"),
    [
        ({}, [ROOM, OTHER_ROOM]),
        ({"rooms": [ROOM]}, [ROOM]),
        ({"rooms": []}, []),
        ({"not_rooms": [ROOM]}, [OTHER_ROOM]),
        ({"rooms": [ROOM, OTHER_ROOM], "not_rooms": [ROOM]}, [OTHER_ROOM]),
    ],
)
def test_rooms_pass(definition: JsonObject, rooms: list[str]) -> None:
    both = [ROOM, OTHER_ROOM]
    assert [r for r in both if compiled(room=definition).room.matches_room(r)] == rooms
    assert [r for r in both if for_events(**definition).matches_room(r)] == rooms


@pytest.mark.parametrize(
    "definition",
    [
        {"types": []},
        {"not_types": ["m.a", "*"]},
        {"senders": []},
        {"senders": [ALICE], "not_senders": [ALICE, BOB]},
        {"rooms": []},
        {"related_by_rel_types": []},
    ],
)
def test_a_filter_that_nothing_passes_says_so(definition: JsonObject) -> None:
    assert for_events(**definition).is_pass_none
    assert not for_events(**definition).is_pass_all


@pytest.mark.parametrize(
    "definition",
    [
        {"limit": 5},
        {"types": ["*"]},
        {"types": ["m.a", "*"], "not_types": [], "not_senders": [], "not_rooms": []},
        {"lazy_load_members": True, "include_redundant_members": True},
        {"unread_thread_notifications": True},
    ],
)
def test_a_filter_that_everything_passes_says_so(definition: JsonObject) -> None:
    assert for_events(**definition).is_pass_all
    assert not for_events(**definition).is_pass_none


@pytest.mark.parametrize(
    "definition",
    [
        {"types": ["m.*"]},
        {"not_types": ["m.a"]},
        {"senders": [ALICE]},
        {"not_rooms": [ROOM]},
        {"contains_url": False},
        {"related_by_rel_types": ["m.thread"]},
        {"related_by_senders": [ALICE]},
    ],
)
def test_a_filter_that_only_some_pass_says_so(definition: JsonObject) -> None:
    assert not for_events(**definition).is_pass_all
    assert not for_events(**definition).is_pass_none
    assert not compiled(room={"timeline": definition}).is_pass_all


def test_relations_and_members_are_asked_for() -> None:
    wanted = for_events(
        related_by_rel_types=["m.thread"],
        related_by_senders=[ALICE],
        lazy_load_members=True,
        include_redundant_members=True,
        unread_thread_notifications=True,
    )
    assert wanted.related_by_rel_types == frozenset({"m.thread"})
    assert wanted.related_by_senders == frozenset({ALICE})
    assert wanted.lazy_load_members
    assert wanted.include_redundant_members
    assert wanted.unread_thread_notifications


def test_what_can_pass_at_all_is_told_where_it_can_be() -> None:
    some = for_events(types=["a", "b"], not_types=["a"], senders=[ALICE])
    assert some.types == frozenset({"a", "b"})
    assert some.senders == frozenset({ALICE})
    for many in (for_events(), for_events(types=["a", "b.*"], not_senders=[BOB])):
        assert many.types is None
        assert many.senders is None
    assert for_events(types=[]).types == frozenset()


@pytest.mark.parametrize(
    ("definition", "asks"),
    [
        ({}, False),
        ({"related_by_rel_types": ["m.thread"]}, True),
        ({"related_by_senders": [ALICE]}, True),
        ({"related_by_senders": []}, True),
    ],
)
def test_whether_relations_must_be_looked_up(definition: JsonObject, asks: bool) -> None:
    assert for_events(**definition).asks_relations is asks


def test_rooms_that_were_left_are_asked_for() -> None:
    assert compiled(room={"include_leave": True}).room.include_leave


def test_the_federation_format_is_asked_for() -> None:
    assert compiled(event_format="federation").federation_format


@pytest.mark.parametrize(
    "definition",
    [
        {"event_fields": "type"},
        {"event_fields": [1]},
        {"event_format": "xml"},
        {"room": []},
        {"room": {"include_leave": "yes"}},
        {"room": {"rooms": ROOM}},
        {"room": {"timeline": {"limit": "10"}}},
        {"room": {"timeline": {"limit": 1.5}}},
        {"room": {"timeline": {"limit": True}}},
        {"room": {"state": {"lazy_load_members": 1}}},
        {"room": {"ephemeral": {"types": "m.typing"}}},
        {"presence": {"senders": [None]}},
        {"account_data": {"not_types": {}}},
    ],
)
def test_wrong_types_are_refused(definition: JsonObject) -> None:
    with pytest.raises(BadJson):
        parse_filter(definition)


@pytest.mark.parametrize(
    "definition",
    [
        {"room": {"rooms": [ALICE]}},
        {"room": {"not_rooms": ["r:example.org"]}},
        {"room": {"timeline": {"not_rooms": ["!"]}}},
        {"room": {"timeline": {"limit": -1}}},
        {"room": {"state": {"senders": ["alice"]}}},
        {"room": {"account_data": {"related_by_senders": ["alice"]}}},
        {"presence": {"not_senders": ["@alice"]}},
        {"account_data": {"senders": [ROOM]}},
    ],
)
def test_wrong_ids_and_limits_are_refused(definition: JsonObject) -> None:
    with pytest.raises(InvalidParam):
        parse_filter(definition)


def test_filters_of_room_events_are_checked_as_well() -> None:
    with pytest.raises(BadJson):
        parse_room_event_filter({"types": "m.room.message"})
    with pytest.raises(InvalidParam):
        parse_room_event_filter({"rooms": [ALICE]})


def test_unknown_fields_are_ignored() -> None:
    assert parse_filter({"org.example.new": 1, "room": {"x": 2}}) == parse_filter({})


def test_a_limit_of_zero_asks_for_as_little_as_possible() -> None:
    assert for_events(limit=0).limit == 1


def test_equal_filters_are_compiled_once() -> None:
    assert compiled(room={"rooms": [ROOM]}) is compiled(room={"rooms": [ROOM]})


def test_the_fingerprint_ignores_order_and_defaults() -> None:
    first = compiled(
        room={"timeline": {"types": ["m.a", "m.b"], "senders": [ALICE, BOB]}, "state": {}},
        event_format="client",
    )
    second = compiled(
        room={"timeline": {"types": ["m.b", "m.a", "m.b"], "senders": [BOB, ALICE]}},
        presence={"limit": None},
    )
    assert first.fingerprint == second.fingerprint
    assert first.room.fingerprint == second.room.fingerprint
    assert first.room.timeline.fingerprint == second.room.timeline.fingerprint
    assert len(first.fingerprint) == 16


def test_the_fingerprint_tells_different_filters_apart() -> None:
    definitions: list[JsonObject] = [
        {},
        {"event_format": "federation"},
        {"event_fields": ["type"]},
        {"presence": {"types": []}},
        {"account_data": {"types": []}},
        {"room": {"include_leave": True}},
        {"room": {"rooms": []}},
        {"room": {"timeline": {"types": []}}},
        {"room": {"state": {"types": []}}},
        {"room": {"state": {"contains_url": False}}},
        {"room": {"state": {"contains_url": True}}},
        {"room": {"state": {"limit": 1}}},
    ]
    assert len({compiled(**d).fingerprint for d in definitions}) == len(definitions)


EVENT: JsonObject = {
    "type": "m.room.message",
    "sender": ALICE,
    "content": {"body": "hi", "m.relates_to": {"rel_type": "m.thread"}, "a": {"b": 1, "c": 2}},
}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        (["type", "sender"], {"type": "m.room.message", "sender": ALICE}),
        (["content.body"], {"content": {"body": "hi"}}),
        (["content.body", "content"], {"content": EVENT["content"]}),
        (["content", "content.body"], {"content": EVENT["content"]}),
        (["content.a.b", "content.body"], {"content": {"a": {"b": 1}, "body": "hi"}}),
        (
            [r"content.m\.relates_to.rel_type"],
            {"content": {"m.relates_to": {"rel_type": "m.thread"}}},
        ),
        (["content.m.relates_to"], {}),
        (["content.absent", "absent", "type.deeper"], {}),
    ],
)
def test_fields_of_events_are_selected(fields: list[str], selected: JsonObject) -> None:
    wanted = compiled(event_fields=fields).event_fields
    assert wanted is not None
    assert wanted.select(EVENT) == selected


def test_an_empty_list_of_fields_asks_for_all() -> None:
    assert compiled(event_fields=[]).event_fields is None


@given(json_objects, st.lists(st.text()))
def test_selected_fields_are_part_of_the_event(event: JsonObject, paths: list[str]) -> None:
    def is_part(part: Any, whole: Any) -> bool:
        if part == whole:
            return True
        return (
            isinstance(part, dict)
            and isinstance(whole, dict)
            and all(name in whole and is_part(part[name], whole[name]) for name in part)
        )

    assert is_part(EventFields.of(paths).select(event), event)
