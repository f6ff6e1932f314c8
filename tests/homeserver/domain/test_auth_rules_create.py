from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.identifiers import RoomId
from tests.homeserver.domain.authorising import assert_forbidden, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, Room, a_room


def check_create(event: Event) -> None:
    check_event_auth(event, {}, None)


def with_content(event: Event, **changes: Any) -> Event:
    """The event with properties of its content changed, or removed where None."""
    content = {**event.content, **changes}
    content = {key: value for key, value in content.items() if value is not None}
    return parse_pdu({**event.pdu_object(), "content": content}, event.version)


@versions()
def test_a_create_event_begins_a_room(version: str) -> None:
    check_create(Room(version).create)


@versions()
def test_a_create_event_cannot_follow_other_events(version: str) -> None:
    create = Room(version).create
    later = a_room(version).draft("m.room.message", ALICE).pdu_object()
    pdu = {**create.pdu_object(), "prev_events": later["prev_events"]}
    with pytest.raises(Forbidden, match="must be the first"):
        check_create(parse_pdu(pdu, create.version))


@versions(last=11)
def test_a_server_cannot_create_a_room_with_the_id_of_another_server(version: str) -> None:
    create = Room(version).create
    pdu = {**create.pdu_object(), "room_id": "!room:b.example"}
    with pytest.raises(Forbidden, match="must be of the server"):
        check_create(parse_pdu(pdu, create.version))


def test_a_create_event_since_version_12_has_no_room_id() -> None:
    room = Room("12")
    named = room.make("m.room.create", ALICE, {"room_version": "12"}, state_key="other")
    with pytest.raises(Forbidden, match="must not have a room_id"):
        check_create(named)


@versions()
@pytest.mark.parametrize("room_version", ["0", "org.example.unknown", 1, ["1"], {}])
def test_a_create_event_must_name_a_known_room_version(version: str, room_version: Any) -> None:
    create = with_content(Room(version).create, room_version=room_version)
    with pytest.raises(Forbidden, match="unknown room version"):
        check_create(create)


@versions()
def test_a_create_event_need_not_name_the_room_version(version: str) -> None:
    check_create(with_content(Room(version).create, room_version=None))


@versions(last=10)
def test_a_create_event_must_name_the_creator_before_version_11(version: str) -> None:
    with pytest.raises(Forbidden, match="does not name the creator"):
        check_create(with_content(Room(version).create, creator=None))


@versions(first=11)
def test_a_create_event_does_not_name_the_creator_since_version_11(version: str) -> None:
    assert "creator" not in Room(version).create.content
    check_create(Room(version).create)


def test_additional_creators_must_be_user_ids() -> None:
    check_create(Room("12", additional_creators=[BOB]).create)
    check_create(Room("12", additional_creators=[]).create)


@pytest.mark.parametrize(
    "additional_creators", [BOB, {BOB: 1}, None, [1], [None], ["bob"], ["@bob"], [BOB, "#x:y.z"]]
)
def test_malformed_additional_creators_are_refused(additional_creators: Any) -> None:
    with pytest.raises(Forbidden, match="additional_creators"):
        check_create(Room("12", additional_creators=additional_creators).create)


@versions(last=11)
def test_additional_creators_mean_nothing_before_version_12(version: str) -> None:
    check_create(Room(version, additional_creators="whatever").create)


@versions()
def test_nothing_is_allowed_without_a_create_event(version: str) -> None:
    branch = a_room(version)
    with pytest.raises(Forbidden, match=r"no m\.room\.create"):
        check_event_auth(branch.draft("m.room.message", ALICE), branch.state, None)


@versions()
def test_an_event_of_another_room_is_refused(version: str) -> None:
    branch = a_room(version)
    other_room = {"room_id": "!other:a.example" if int(version) < 12 else "!" + "o" * 43}
    pdu = {**branch.draft("m.room.message", ALICE).pdu_object(), **other_room}
    event = parse_pdu(pdu, branch.room.version)
    assert event.room_id == RoomId(other_room["room_id"])
    assert_forbidden(branch, event, "not of the room")


@versions()
def test_users_of_other_servers_are_kept_out_of_a_room_that_does_not_federate(version: str) -> None:
    branch = Room(version, **{"m.federate": False}).start()
    branch.join(ALICE)
    branch.set_join_rule(ALICE, "public")
    check_event_auth(branch.draft("x", ALICE), branch.state, branch.room.create)
    join = branch.draft("m.room.member", BOB, {"membership": "join"}, BOB)
    assert_forbidden(branch, join, "not open to users of other servers")


@versions()
@pytest.mark.parametrize("federate", [True, None, 0, "false"])
def test_only_false_keeps_other_servers_out(version: str, federate: Any) -> None:
    branch = Room(version, **{"m.federate": federate}).start()
    branch.join(ALICE)
    branch.set_join_rule(ALICE, "public")
    join = branch.draft("m.room.member", BOB, {"membership": "join"}, BOB)
    check_event_auth(join, branch.state, branch.room.create)
