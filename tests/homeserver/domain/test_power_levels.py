from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.domain.power_levels import CREATOR_LEVEL, PowerLevels, parse_power_level
from homeserver.domain.room_versions import room_version
from tests.homeserver.domain.authorising import versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Room, a_room


def levels(version: str, content: dict[str, Any] | None) -> PowerLevels:
    return PowerLevels.of(content, Room(version).create)


@versions()
@pytest.mark.parametrize("content", [None, {}])
def test_the_defaults_are_the_same_without_an_event_and_with_an_empty_one(
    version: str, content: dict[str, Any] | None
) -> None:
    power = levels(version, content)
    assert (power.ban, power.kick, power.redact, power.invite) == (50, 50, 50, 0)
    assert (power.users_default, power.events_default, power.state_default) == (0, 0, 50)
    assert power.event_level("m.room.topic", is_state=True) == 50
    assert power.event_level("m.room.message", is_state=False) == 0
    assert power.notification_level("room") == 50
    assert power.user_level(BOB) == 0


@versions()
def test_the_event_overrides_the_defaults(version: str) -> None:
    power = levels(
        version,
        {
            "ban": 1,
            "kick": 2,
            "redact": 3,
            "invite": 4,
            "users_default": 5,
            "events_default": 6,
            "state_default": 7,
            "users": {BOB: 8},
            "events": {"m.room.topic": 9, "m.room.message": -1},
            "notifications": {"room": 10},
        },
    )
    assert (power.ban, power.kick, power.redact, power.invite) == (1, 2, 3, 4)
    assert (power.users_default, power.events_default, power.state_default) == (5, 6, 7)
    assert power.user_level(BOB) == 8
    assert power.user_level(CAROL) == 5
    assert power.event_level("m.room.topic", is_state=True) == 9
    assert power.event_level("m.room.name", is_state=True) == 7
    assert power.event_level("m.room.message", is_state=False) == -1
    assert power.event_level("m.sticker", is_state=False) == 6
    assert power.notification_level("room") == 10
    assert power.notification_level("org.example.other") == 50


@versions(last=11)
def test_without_an_event_the_creator_has_100_until_version_11(version: str) -> None:
    assert levels(version, None).user_level(ALICE) == 100
    assert levels(version, {}).user_level(ALICE) == 0


@versions(last=10)
def test_until_version_10_the_creator_is_who_the_content_names(version: str) -> None:
    power = PowerLevels.of(None, Room(version, ALICE, creator=BOB).create)
    assert power.user_level(BOB) == 100
    assert power.user_level(ALICE) == 0


def test_since_version_11_the_creator_is_the_sender() -> None:
    power = PowerLevels.of(None, Room("11", ALICE, creator=BOB).create)
    assert power.user_level(ALICE) == 100
    assert power.user_level(BOB) == 0


@pytest.mark.parametrize("content", [None, {}, {"users": {ALICE: 1}, "users_default": 2}])
def test_since_version_12_all_creators_have_infinite_power(content: dict[str, Any] | None) -> None:
    power = PowerLevels.of(content, Room("12", additional_creators=[BOB]).create)
    assert power.user_level(ALICE) == power.user_level(BOB) == CREATOR_LEVEL
    assert power.user_level(CAROL) < CREATOR_LEVEL


def test_infinite_power_is_more_than_an_event_can_give() -> None:
    assert levels("12", {"users": {BOB: 2**53 - 1}}).user_level(BOB) < CREATOR_LEVEL


@versions(last=11)
def test_additional_creators_have_no_power_before_version_12(version: str) -> None:
    power = PowerLevels.of({}, Room(version, additional_creators=[BOB]).create)
    assert power.user_level(BOB) == 0


@pytest.mark.parametrize("additional_creators", [None, "x", {}, [1, None]])
def test_malformed_additional_creators_are_nobody(additional_creators: Any) -> None:
    power = PowerLevels.of({}, Room("12", additional_creators=additional_creators).create)
    assert power.user_level(ALICE) == CREATOR_LEVEL
    assert power.user_level(BOB) == 0


@versions()
@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("100", 100),
        ("000100", 100),
        ("+100", 100),
        ("-100", -100),
        (" 100 ", 100),
        (" 00100\t", 100),
        ("\n+100", 100),
        (" -100 ", -100),
        (50.57, 50),
        (-50.57, -50),
        (5.114698e4, 51146),
    ],
)
def test_strings_and_floats_stand_for_levels_before_version_10(
    version: str, value: Any, level: int
) -> None:
    expected = level if int(version) < 10 else None
    assert parse_power_level(value, room_version(version)) == expected


@versions()
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        " ",
        "+",
        "1.0",
        "1e2",
        "0x10",
        "1_000",
        "+-1",
        "+ 1",
        "1 0",
        "١",
        "ten",
        float("inf"),
        float("-inf"),
        float("nan"),
    ],
)
def test_nothing_else_stands_for_a_level(version: str, value: Any) -> None:
    assert parse_power_level(value, room_version(version)) is None


@versions()
@pytest.mark.parametrize("level", [0, 50, -1, 2**53 - 1, -(2**53) + 1])
def test_integers_are_levels(version: str, level: int) -> None:
    assert parse_power_level(level, room_version(version)) == level


@versions()
def test_malformed_levels_have_their_defaults(version: str) -> None:
    power = levels(
        version,
        {"ban": "x", "users_default": None, "users": {BOB: []}, "events": [], "notifications": 1},
    )
    assert power.ban == 50
    assert power.user_level(BOB) == 0
    assert power.event_level("m.room.topic", is_state=True) == 50
    assert power.notification_level("room") == 50


@versions()
def test_the_levels_of_a_room_are_those_in_its_state(version: str) -> None:
    branch = a_room(version)
    branch.set_power_levels(ALICE, {BOB: 30}, kick=20)
    power = PowerLevels.in_state(branch.state, branch.room.create)
    assert power.user_level(UserId(BOB)) == 30
    assert power.kick == 20
    del branch.state["m.room.power_levels", ""]
    assert PowerLevels.in_state(branch.state, branch.room.create).kick == 50
