from __future__ import annotations

from collections.abc import Callable

import pytest

from homeserver.domain.auth_rules import check_auth_events_selection
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event
from tests.homeserver.domain.authorising import versions
from tests.homeserver.domain.event_factory import ALICE, BOB, Branch, Room, a_room


def auth_events_of(event: Event, branch: Branch) -> list[Event]:
    return [branch.room.events[event_id] for event_id in event.auth_event_ids]


@versions()
@pytest.mark.parametrize(
    "draft",
    [
        lambda branch: branch.draft("m.room.message", ALICE),
        lambda branch: branch.draft("m.room.topic", ALICE, {"topic": "x"}, ""),
        lambda branch: branch.draft("m.room.member", ALICE, {"membership": "ban"}, BOB),
        lambda branch: branch.draft("m.room.member", BOB, {"membership": "join"}, BOB),
    ],
)
def test_the_selected_auth_events_are_accepted(
    version: str, draft: Callable[[Branch], Event]
) -> None:
    branch = a_room(version)
    event = draft(branch)
    check_auth_events_selection(event, auth_events_of(event, branch))


@versions()
def test_two_auth_events_for_the_same_entry_are_refused(version: str) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.message", ALICE)
    older = branch.state["m.room.power_levels", ""]
    newer = branch.set_power_levels(ALICE, ban=40)
    others = [one for one in auth_events_of(event, branch) if one is not older]
    with pytest.raises(Forbidden, match="one of several"):
        check_auth_events_selection(event, [*others, older, newer])


@versions()
def test_the_same_auth_event_twice_is_refused(version: str) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.message", ALICE)
    with pytest.raises(Forbidden, match="one of several"):
        check_auth_events_selection(event, auth_events_of(event, branch) * 2)


@versions()
@pytest.mark.parametrize(
    "extra",
    [
        lambda branch: branch.state["m.room.join_rules", ""],
        lambda branch: branch.set_topic(ALICE, "x"),
        lambda branch: branch.join(BOB),
        lambda branch: branch.send("m.room.power_levels", ALICE, {}),
    ],
    ids=["join rules", "topic", "member", "message"],
)
def test_an_auth_event_outside_of_the_selection_is_refused(
    version: str, extra: Callable[[Branch], Event]
) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.message", ALICE)
    with pytest.raises(Forbidden, match="does not authorise events of this kind"):
        check_auth_events_selection(event, [*auth_events_of(event, branch), extra(branch)])


@versions()
def test_a_rejected_auth_event_is_refused(version: str) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.message", ALICE)
    rejected = {branch.state["m.room.power_levels", ""].event_id}
    with pytest.raises(Forbidden, match="was rejected"):
        check_auth_events_selection(event, auth_events_of(event, branch), rejected)


@versions()
def test_an_auth_event_of_another_room_is_refused(version: str) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.message", ALICE)
    other = Room(version, BOB).start()
    levels = other.send("m.room.power_levels", BOB, {}, "")
    others = [one for one in auth_events_of(event, branch) if one.type != levels.type]
    with pytest.raises(Forbidden, match="of another room"):
        check_auth_events_selection(event, [*others, levels])


@versions(last=11)
def test_the_create_event_must_be_among_the_auth_events_until_version_11(version: str) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.message", ALICE)
    without = [one for one in auth_events_of(event, branch) if one.type != "m.room.create"]
    with pytest.raises(Forbidden, match="lack the create event"):
        check_auth_events_selection(event, without)


def test_the_create_event_must_not_be_among_the_auth_events_since_version_12() -> None:
    branch = a_room("12")
    event = branch.draft("m.room.message", ALICE)
    with pytest.raises(Forbidden, match="does not authorise events of this kind"):
        check_auth_events_selection(event, [*auth_events_of(event, branch), branch.room.create])


@versions()
def test_a_create_event_needs_no_auth_events(version: str) -> None:
    check_auth_events_selection(Room(version).create, [])
