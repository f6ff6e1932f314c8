"""What a room shows of itself, and to whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from homeserver.domain.identifiers import RoomId
from homeserver.domain.room_summary import (
    RoomSummary,
    allowed_rooms,
    guests_may_join,
    may_see_summary,
    plain_topic,
    summarise,
)
from homeserver.domain.room_versions import room_version

ROOM = RoomId("!room:hs")
LOBBY = RoomId("!lobby:hs")


def summary(**contents: dict[str, Any]) -> RoomSummary:
    """The summary of a room with contents such as ``name={...}`` for m.room.name."""
    by_type = {f"m.room.{name}": content for name, content in contents.items()}
    return summarise(ROOM, room_version("12"), 3, by_type)


def test_a_room_without_state_has_the_defaults() -> None:
    assert msgspec.to_builtins(summary()) == {
        "room_id": ROOM,
        "num_joined_members": 3,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "invite",
        "room_version": "12",
    }


def test_every_field_comes_from_its_event() -> None:
    described = summary(
        name={"name": "Pub"},
        topic={"topic": "Ale"},
        avatar={"url": "mxc://hs/a"},
        canonical_alias={"alias": "#pub:hs", "alt_aliases": ["#bar:hs"]},
        create={"type": "m.space"},
        join_rules={
            "join_rule": "knock_restricted",
            "allow": [{"type": "m.room_membership", "room_id": LOBBY}],
        },
        history_visibility={"history_visibility": "world_readable"},
        guest_access={"guest_access": "can_join"},
        encryption={"algorithm": "m.megolm.v1.aes-sha2"},
    )

    assert msgspec.json.decode(msgspec.json.encode(described)) == {
        "room_id": ROOM,
        "num_joined_members": 3,
        "world_readable": True,
        "guest_can_join": True,
        "join_rule": "knock_restricted",
        "name": "Pub",
        "topic": "Ale",
        "avatar_url": "mxc://hs/a",
        "canonical_alias": "#pub:hs",
        "room_type": "m.space",
        "allowed_room_ids": [LOBBY],
        "encryption": "m.megolm.v1.aes-sha2",
        "room_version": "12",
    }
    assert described.is_space


@pytest.mark.parametrize("junk", [None, 5, [], {}, ""])
def test_what_is_no_text_is_left_out(junk: Any) -> None:
    described = summary(
        name={"name": junk},
        topic={"topic": junk},
        avatar={"url": junk},
        canonical_alias={"alias": junk},
        create={"type": junk},
        join_rules={"join_rule": junk, "allow": junk},
        history_visibility={"history_visibility": junk},
        guest_access={"guest_access": junk},
        encryption={"algorithm": junk},
    )

    assert described == summary()


def test_rooms_that_let_people_in_are_listed_for_restricted_rules_only() -> None:
    allow = [{"type": "m.room_membership", "room_id": LOBBY}]

    for rule, allowed in (("restricted", (LOBBY,)), ("invite", ()), ("knock", ())):
        described = summary(join_rules={"join_rule": rule, "allow": allow})
        assert described.allowed_room_ids == allowed


@pytest.mark.parametrize(
    ("content", "topic"),
    [
        ({"topic": "plain"}, "plain"),
        ({"m.topic": {"m.text": [{"body": "block"}]}}, "block"),
        ({"topic": "old", "m.topic": {"m.text": [{"body": "new"}]}}, "new"),
        (
            {
                "m.topic": {
                    "m.text": [
                        {"mimetype": "text/html", "body": "<b>x</b>"},
                        {"mimetype": "text/plain", "body": "x"},
                    ]
                }
            },
            "x",
        ),
        ({"topic": "t", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "x"}]}}, "t"),
        ({"topic": "t", "m.topic": "x"}, "t"),
        ({"topic": "t", "m.topic": {"m.text": ["x"]}}, "t"),
        ({}, None),
    ],
)
def test_a_topic_is_shown_in_plain_text(content: dict[str, Any], topic: str | None) -> None:
    assert plain_topic(content) == topic


def test_only_conditions_that_make_sense_count() -> None:
    conditions = [
        {"type": "m.room_membership", "room_id": LOBBY},
        {"type": "m.room_membership", "room_id": 5},
        {"type": "m.room_membership"},
        {"type": "org.example", "room_id": "!other:hs"},
        {"room_id": "!other:hs"},
        "x",
    ]

    assert allowed_rooms({"allow": conditions}) == [LOBBY]
    assert allowed_rooms({"allow": {}}) == allowed_rooms({}) == []


@pytest.mark.parametrize(
    ("content", "may"),
    [
        (None, False),
        ({}, False),
        ({"guest_access": "forbidden"}, False),
        ({"guest_access": "can_join"}, True),
    ],
)
def test_guests_join_where_the_room_says_so(content: dict[str, Any] | None, may: bool) -> None:
    assert guests_may_join(content) is may


@pytest.mark.parametrize(
    ("contents", "membership", "joined", "may"),
    [
        ({}, None, set(), False),
        ({}, "leave", set(), False),
        ({}, "ban", set(), False),
        ({}, "knock", set(), False),
        ({}, "invite", set(), True),
        ({}, "join", set(), True),
        ({"join_rules": {"join_rule": "public"}}, None, set(), True),
        ({"join_rules": {"join_rule": "knock"}}, None, set(), True),
        ({"join_rules": {"join_rule": "knock_restricted"}}, None, set(), True),
        ({"join_rules": {"join_rule": "restricted"}}, None, {LOBBY}, False),
        (
            {"history_visibility": {"history_visibility": "world_readable"}},
            None,
            set(),
            True,
        ),
    ],
)
def test_who_may_see_a_summary(
    contents: dict[str, Any], membership: str | None, joined: set[RoomId], may: bool
) -> None:
    assert may_see_summary(summary(**contents), membership, joined) is may


def test_who_meets_a_condition_may_see_the_summary() -> None:
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": LOBBY}]}

    assert may_see_summary(summary(join_rules=rules), None, {LOBBY})
    assert not may_see_summary(summary(join_rules=rules), None, {ROOM})
