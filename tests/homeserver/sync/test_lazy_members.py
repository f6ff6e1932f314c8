"""/sync with lazily loaded members."""

from __future__ import annotations

from typing import Any

from tests.rooms_fixture import Person
from tests.sync_fixture import (
    Answer,
    Device,
    SyncServer,
    a_room,
    device,
    members,
    renames,
)

NAMED: dict[str, Any] = {"name": "Garden"}


def lazy(limit: int = 10, **state: Any) -> dict[str, Any]:
    return {
        "room": {"state": {"lazy_load_members": True, **state}, "timeline": {"limit": limit}},
    }


def names(answer: Answer, room: str) -> dict[str, str | None]:
    """The names that come with the state, by user."""
    return {
        e["state_key"]: e["content"].get("displayname")
        for e in answer.state(room)
        if e["type"] == "m.room.member"
    }


async def test_only_those_who_speak_come_and_oneself(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, server.person("dave"), name="Garden")
    await bob.sends(room, "1")
    await bob.sends(room, "2")
    answer = await Device(carol, lazy(2)).sync()
    assert members(answer.state(room)) == {bob.user_id: "join", carol.user_id: "join"}
    assert answer.room(room)["summary"]["m.joined_member_count"] == 4


async def test_heroes_of_a_nameless_room_come_too(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    for number in range(5):
        await bob.sends(room, str(number))
    answer = await Device(carol, lazy(2)).sync()
    assert set(members(answer.state(room))) == {alice.user_id, bob.user_id, carol.user_id}


async def test_who_speaks_for_the_first_time_is_introduced_once(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    for number in range(3):
        await bob.sends(room, str(number))
    phone = await device(bob, lazy(1))
    await carol.sends(room, "hello")
    assert set(members((await phone.sync()).state(room))) == {carol.user_id}
    await carol.sends(room, "again")
    await bob.sends(room, "known")
    assert members((await phone.sync()).state(room)) == {}


async def test_a_change_of_a_known_member_is_told_by_the_timeline_alone(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy())
    await carol.sends(room, "hello")
    await phone.sync()
    await renames(carol, room, "Caro")
    answer = await phone.sync()
    assert answer.timeline(room)[0]["content"]["displayname"] == "Caro"
    await carol.sends(room, "again")
    assert names(await phone.sync(), room) == {}


async def test_who_comes_back_to_a_room_is_introduced_to_everyone_again(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy(1))
    await carol.sends(room, "hello")
    await phone.sync()
    await bob.leaves(room)
    await phone.sync()
    await renames(carol, room, "Caro")
    await bob.joins(room)
    await phone.sync()
    await carol.sends(room, "again")
    assert names(await phone.sync(), room) == {carol.user_id: "Caro"}


async def test_what_went_out_in_an_answer_that_was_lost_is_sent_again(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy(1))
    await carol.sends(room, "hello")
    await phone.peek()
    await carol.sends(room, "again")
    assert set(members((await phone.sync()).state(room))) == {carol.user_id}


async def test_a_device_that_goes_back_to_an_older_token_is_told_again(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy(1))
    old = phone.since
    await carol.sends(room, "hello")
    await phone.sync()
    await alice.sends(room, "so that the answer is acknowledged")
    await phone.sync()
    phone.since = old
    await carol.sends(room, "again")
    assert set(members((await phone.sync()).state(room))) == {carol.user_id}


async def test_a_device_that_begins_again_is_told_again(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy(1))
    await carol.sends(room, "hello")
    await phone.sync()
    await bob.sends(room, "so that the answer is acknowledged")
    await phone.sync()
    phone.since = None
    await phone.sync()
    await carol.sends(room, "again")
    assert set(members((await phone.sync()).state(room))) == {carol.user_id}


async def test_devices_are_told_independently(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy(1))
    laptop = await device(server.person("bob", "LAPTOP"), lazy(1))
    for expected in (phone, laptop):
        await carol.sends(room, "hello")
        assert set(members((await expected.sync()).state(room))) == {carol.user_id}


async def test_redundant_members_come_when_asked_for(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy(1, include_redundant_members=True))
    for _ in range(2):
        await carol.sends(room, "hello")
        assert set(members((await phone.sync()).state(room))) == {carol.user_id}


async def test_members_who_changed_in_a_gap_are_all_told(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    dave = server.person("dave")
    room = await a_room(alice, bob, carol, **NAMED)
    phone = await device(bob, lazy(1))
    await renames(carol, room, "Caro")
    await dave.joins(room)
    await alice.sends(room, "1")
    await alice.sends(room, "2")
    answer = await phone.sync()
    assert answer.room(room)["timeline"]["limited"]
    assert names(answer, room) == {carol.user_id: "Caro", dave.user_id: None, alice.user_id: None}


async def test_senders_are_shown_as_they_were_when_the_timeline_began(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    await renames(carol, room, "Carol")
    for number in range(5):
        await alice.sends(room, str(number))
    phone = await device(bob, lazy())
    await carol.sends(room, "as Carol")
    await renames(carol, room, "Caro")
    await carol.sends(room, "as Caro")
    assert names(await phone.peek(), room) == {carol.user_id: "Carol"}
    assert names(await phone.peek(use_state_after=True), room) == {carol.user_id: "Caro"}
    from_scratch = Device(bob, lazy(3))
    assert names(await from_scratch.peek(), room)[carol.user_id] == "Carol"
    assert names(await from_scratch.peek(use_state_after=True), room)[carol.user_id] == "Caro"


async def test_who_joins_in_the_timeline_needs_no_other_introduction(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, **NAMED)
    phone = await device(bob, lazy())
    await carol.joins(room)
    await carol.sends(room, "hello")
    assert members((await phone.sync()).state(room)) == {}


async def test_a_new_member_gets_their_own_member_event_and_those_who_speak(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, carol, server.person("dave"), **NAMED)
    for number in range(10):
        await carol.sends(room, str(number))
    phone = await device(bob, lazy(2))
    await bob.joins(room)
    answer = await phone.sync()
    assert set(members([*answer.state(room), *answer.timeline(room)])) == {
        bob.user_id,
        carol.user_id,
    }


async def test_clients_without_a_device_are_told_every_time(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol, **NAMED)
    nobody = server.person("bob", None)
    phone = await device(nobody, lazy(1))
    for _ in range(2):
        await carol.sends(room, "hello")
        assert set(members((await phone.sync()).state(room))) == {carol.user_id}
