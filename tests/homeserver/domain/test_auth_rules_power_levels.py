from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.identifiers import UserId
from tests.homeserver.domain.authorising import assert_forbidden, is_allowed, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, DAVE, Branch, Room, a_room

SINGLE_LEVELS = [
    "users_default",
    "events_default",
    "state_default",
    "ban",
    "redact",
    "kick",
    "invite",
]
NOT_INTEGERS = ["x", "", "1.5", "0x10", None, True, [50], {"level": 50}]


def a_room_with_levels(version: str, content: JsonObject | None = None) -> Branch:
    """A room in which Bob and Carol have 50 and Dave 40."""
    branch = a_room(version)
    for user in (BOB, CAROL, DAVE):
        branch.join(user)
    branch.set_power_levels(ALICE, {BOB: 50, CAROL: 50, DAVE: 40}, **(content or {}))
    return branch


def change(branch: Branch, sender: UserId = BOB, **changes: Any) -> Event:
    """A power levels event that changes properties of the current one, or removes them if None."""
    current = branch.state["m.room.power_levels", ""].content
    return branch.draft("m.room.power_levels", sender, _merged(current, changes), "")


def change_user(branch: Branch, user: UserId, level: Any, sender: UserId = BOB) -> Event:
    users = branch.state["m.room.power_levels", ""].content["users"]
    return change(branch, sender, users=_merged(users, {user: level}))


def _merged(current: JsonObject, changes: JsonObject) -> JsonObject:
    merged = {**current, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def first_levels(version: str, content: JsonObject) -> tuple[Branch, Event]:
    """The first power levels event of a room, by its creator, and the branch before it."""
    branch = Room(version).start()
    branch.join(ALICE)
    return branch, branch.draft("m.room.power_levels", ALICE, content, "")


@versions()
def test_the_first_power_levels_may_set_any_level(version: str) -> None:
    levels = dict.fromkeys(SINGLE_LEVELS, 1000)
    users = {"users": {BOB: 2**53 - 1, CAROL: -(2**53) + 1}}
    assert is_allowed(*first_levels(version, {**levels, **users, "events": {"x": 1000}}))


@versions()
def test_power_levels_may_be_empty(version: str) -> None:
    assert is_allowed(*first_levels(version, {}))


@versions()
@pytest.mark.parametrize("users", [None, [], "x", 1])
def test_users_must_be_an_object(version: str, users: Any) -> None:
    branch, event = first_levels(version, {"users": users})
    assert_forbidden(branch, event, "users must be an object")


@versions()
@pytest.mark.parametrize("user", ["bob", "@bob", "", "#bob:b.example", "@bob:"])
def test_users_must_have_valid_user_ids(version: str, user: str) -> None:
    branch, event = first_levels(version, {"users": {user: 50}})
    assert_forbidden(branch, event, "invalid user ID")


@versions()
@pytest.mark.parametrize("level", NOT_INTEGERS)
def test_levels_of_users_must_be_integers(version: str, level: Any) -> None:
    branch, event = first_levels(version, {"users": {BOB: level}})
    assert_forbidden(branch, event, "level of @bob:b.example must be an integer")


@versions()
@pytest.mark.parametrize("level", ["50", " +050 ", "-1"])
def test_strings_stand_for_levels_before_version_10(version: str, level: str) -> None:
    content = {
        "users": {BOB: level},
        "events": {"x": level},
        "notifications": {"room": level},
        "ban": level,
    }
    assert is_allowed(*first_levels(version, content)) == (int(version) < 10)


@versions(last=5)
def test_floats_stand_for_levels_where_events_may_have_them(version: str) -> None:
    branch, event = first_levels(version, {})
    pdu = {**event.pdu_object(), "content": {"users": {BOB: 50.57}, "ban": 5.1e4}}
    assert is_allowed(branch, parse_pdu(pdu, event.version))


@versions(first=10)
@pytest.mark.parametrize("name", SINGLE_LEVELS)
@pytest.mark.parametrize("level", ["50", *NOT_INTEGERS])
def test_single_levels_must_be_integers_since_version_10(
    version: str, name: str, level: Any
) -> None:
    branch, event = first_levels(version, {name: level})
    assert_forbidden(branch, event, f"{name} must be an integer")


@versions(first=10)
@pytest.mark.parametrize("name", ["events", "notifications"])
@pytest.mark.parametrize("entries", [None, [], "x", {"a": "50"}, {"a": None}, {"a": True}])
def test_levels_of_events_and_notifications_must_be_integers_since_version_10(
    version: str, name: str, entries: Any
) -> None:
    branch, event = first_levels(version, {name: entries})
    assert_forbidden(branch, event, f"{name}.*must be an")


@versions(last=9)
@pytest.mark.parametrize("content", [{"ban": "x"}, {"events": {"a": {}}}, {"events": []}])
def test_before_version_10_malformed_levels_are_refused_as_changes_only(
    version: str, content: JsonObject
) -> None:
    assert is_allowed(*first_levels(version, content))
    branch = a_room_with_levels(version)
    assert_forbidden(branch, change(branch, ALICE, **content), "must be an")


@versions()
def test_sending_power_levels_takes_the_required_level(version: str) -> None:
    branch = a_room_with_levels(version)
    event = change_user(branch, DAVE, 30, sender=DAVE)
    assert_forbidden(branch, event, "needs 50 to send m.room.power_levels")


@versions()
def test_an_unchanged_event_is_allowed_whatever_its_levels(version: str) -> None:
    branch = a_room_with_levels(version, {"ban": 100, "events": {"x": 100}})
    assert is_allowed(branch, change(branch))


@versions(last=9)
def test_another_spelling_of_a_level_changes_nothing(version: str) -> None:
    branch = a_room_with_levels(version, {"ban": 100})
    assert is_allowed(branch, change(branch, ban=" 0100"))
    assert is_allowed(branch, change_user(branch, ALICE, "100"))


@versions()
@pytest.mark.parametrize("name", SINGLE_LEVELS)
@pytest.mark.parametrize(
    ("current", "new", "allowed"),
    [
        (None, 50, True),
        (None, 51, False),
        (50, 49, True),
        (50, None, True),
        (50, 51, False),
        (51, 50, False),
        (51, None, False),
        (51, 51, True),
    ],
)
def test_a_single_level_is_changed_up_to_and_from_the_own_level(
    version: str, name: str, current: int | None, new: int | None, allowed: bool
) -> None:
    branch = a_room_with_levels(version, _merged({"state_default": 50}, {name: current}))
    branch.state["m.room.power_levels", ""] = with_level_to_send(branch)
    assert is_allowed(branch, change(branch, BOB, **{name: new})) == allowed


def with_level_to_send(branch: Branch) -> Event:
    """The current power levels but that whoever has 50 may send power levels."""
    content = branch.state["m.room.power_levels", ""].content
    events = {"m.room.power_levels": 50}
    return branch.draft("m.room.power_levels", ALICE, {**content, "events": events}, "")


@versions()
@pytest.mark.parametrize("name", ["events", "notifications"])
@pytest.mark.parametrize(
    ("current", "new", "allowed"),
    [
        ({}, {"x": 50}, True),
        ({}, {"x": 51}, False),
        ({"x": 50}, {"x": 0}, True),
        ({"x": 50}, {}, True),
        ({"x": 50}, None, True),
        ({"x": 51}, {"x": 50}, False),
        ({"x": 51}, {}, False),
        ({"x": 51}, {"x": 51, "y": 1}, True),
        ({"x": 51}, None, False),
    ],
)
def test_entries_are_changed_up_to_and_from_the_own_level(
    version: str,
    name: str,
    current: JsonObject,
    new: JsonObject | None,
    allowed: bool,
) -> None:
    branch = a_room_with_levels(version, {name: current})
    free = name == "notifications" and int(version) < 6
    assert is_allowed(branch, change(branch, BOB, **{name: new})) == (allowed or free)


@versions()
@pytest.mark.parametrize(
    ("user", "level", "allowed"),
    [
        (UserId("@new:x.example"), 50, True),
        (UserId("@new:x.example"), 51, False),
        (DAVE, 50, True),
        (DAVE, 51, False),
        (DAVE, None, True),
        (CAROL, 49, False),
        (CAROL, None, False),
        (CAROL, 51, False),
        (BOB, 0, True),
        (BOB, None, True),
        (BOB, 51, False),
    ],
)
def test_levels_of_users_are_changed_below_the_own_one(
    version: str, user: UserId, level: int | None, allowed: bool
) -> None:
    branch = a_room_with_levels(version)
    assert is_allowed(branch, change_user(branch, user, level)) == allowed


@versions()
def test_the_admin_demotes_moderators(version: str) -> None:
    branch = a_room_with_levels(version)
    assert is_allowed(branch, change_user(branch, BOB, 0, sender=ALICE))


@versions(last=11)
def test_an_admin_does_not_demote_another_admin(version: str) -> None:
    branch = a_room_with_levels(version)
    branch.set_power_levels(ALICE, {BOB: 100})
    assert_forbidden(branch, change_user(branch, ALICE, 50), "may not change the level of @alice")


@versions(last=11)
def test_an_admin_does_not_set_levels_above_100(version: str) -> None:
    branch = a_room_with_levels(version)
    assert_forbidden(branch, change_user(branch, BOB, 101, ALICE), "does not suffice")


def test_privileged_creators_set_any_level() -> None:
    branch = a_room_with_levels("12")
    assert is_allowed(branch, change_user(branch, BOB, 2**53 - 1, ALICE))


@pytest.mark.parametrize("creator", [ALICE, BOB])
def test_privileged_creators_have_no_level_of_their_own(creator: UserId) -> None:
    branch = Room("12", additional_creators=[BOB]).start()
    branch.join(ALICE)
    event = branch.draft("m.room.power_levels", ALICE, {"users": {creator: 100}}, "")
    assert_forbidden(branch, event, f"{creator} created the room")
