"""What a room hands on to the room that replaces it."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.identifiers import EventId, RoomId
from homeserver.domain.room_succession import (
    highest_level,
    locked_power_levels,
    successor_content,
    successor_power_levels,
    with_user_level,
)
from homeserver.domain.room_versions import room_version
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL

OLD, LAST = RoomId("!old:hs"), EventId("$last")


def levels(
    content: dict[str, Any], old: str, new: str, creators: Any = (ALICE,), old_creators: Any = ()
) -> dict[str, Any]:
    return successor_power_levels(
        content,
        room_version(old),
        room_version(new),
        creators=creators,
        old_creators=old_creators,
    )


def test_the_type_is_handed_on_and_the_creators_are_not() -> None:
    create = {
        "type": "m.space",
        "m.federate": False,
        "creator": ALICE,
        "room_version": "9",
        "predecessor": {"room_id": "!older:hs"},
        "additional_creators": [CAROL],
    }

    content = successor_content(create, room_version("12"), OLD, LAST, [BOB])

    assert content == {
        "type": "m.space",
        "m.federate": False,
        "predecessor": {"room_id": OLD, "event_id": LAST},
        "additional_creators": [BOB],
    }


@pytest.mark.parametrize(("version", "creators"), [("11", [BOB]), ("12", [])])
def test_additional_creators_are_named_only_where_they_mean_something(
    version: str, creators: list[Any]
) -> None:
    content = successor_content({}, room_version(version), OLD, LAST, creators)

    assert content == {"predecessor": {"room_id": OLD, "event_id": LAST}}


def test_levels_stay_as_they_are_between_like_versions() -> None:
    content = {"users": {ALICE: 100, BOB: 50}, "ban": 60, "events": {"x": 5}, "other": ["x"]}

    assert levels(content, "10", "11") == content


def test_privileged_creators_lose_their_entries() -> None:
    content = {"users": {ALICE: 100, BOB: 100, CAROL: 50}}

    assert levels(content, "11", "12", creators=(ALICE, BOB))["users"] == {CAROL: 50}


@pytest.mark.parametrize(("before", "after"), [(None, 150), (50, 150), (150, 150), (200, 200)])
def test_only_creators_replace_rooms_where_they_are_privileged(
    before: int | None, after: int
) -> None:
    content = {} if before is None else {"events": {"m.room.tombstone": before}}

    assert levels(content, "11", "12")["events"]["m.room.tombstone"] == after


def test_former_creators_become_administrators() -> None:
    content = {"users": {CAROL: 50}}

    assert levels(content, "12", "11", old_creators=(ALICE, BOB))["users"] == {
        ALICE: 100,
        BOB: 100,
        CAROL: 50,
    }


def test_text_and_junk_become_numbers() -> None:
    content = {
        "users": {ALICE: " +100", BOB: [], CAROL: 5.9},
        "ban": "60",
        "kick": None,
        "events": "x",
        "notifications": {"room": "20"},
    }

    assert levels(content, "5", "11") == {
        "users": {ALICE: 100, BOB: 0, CAROL: 5},
        "ban": 60,
        "kick": 50,
        "notifications": {"room": 20},
    }


def test_the_highest_level_is_that_of_anybody_or_anything() -> None:
    assert highest_level({}) == 100
    assert highest_level({"ban": 120, "users": {BOB: 110}, "events": {"x": 90}}) == 120
    assert highest_level({"users": {BOB: 130}}) == 130
    assert highest_level({"events": {"x": 140}}) == 140


def test_a_user_is_given_another_level() -> None:
    content = {"users": {BOB: 1}, "ban": 5}

    assert with_user_level(content, ALICE, 100) == {"users": {BOB: 1, ALICE: 100}, "ban": 5}
    assert content == {"users": {BOB: 1}, "ban": 5}


@pytest.mark.parametrize(
    ("content", "events_default", "invite"),
    [
        ({}, 50, 50),
        ({"users_default": 50}, 51, 51),
        ({"users_default": 20, "events_default": 70}, 70, 50),
        ({"invite": 100}, 50, 100),
    ],
)
def test_a_room_is_locked_for_who_has_no_power(
    content: dict[str, Any], events_default: int, invite: int
) -> None:
    locked = locked_power_levels({**content, "users": {ALICE: 100}}, room_version("11"))

    assert (locked["events_default"], locked["invite"]) == (events_default, invite)
    assert locked["users"] == {ALICE: 100}
