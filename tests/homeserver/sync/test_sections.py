"""/sync: rooms that one is in, invited to, knocks at, and has left."""

from __future__ import annotations

import json

import pytest

from tests.rooms_fixture import Person, quoted
from tests.sync_fixture import (
    Device,
    SyncServer,
    a_room,
    bodies,
    device,
    ids,
    keeps,
    members,
    places,
)

LEFT = {"room": {"include_leave": True}}


async def kicks(person: Person, room: str, other: Person) -> None:
    response = await person.post(f"/rooms/{quoted(room)}/kick", {"user_id": other.user_id})
    assert response.status == 200


async def forgets(person: Person, room: str) -> None:
    assert (await person.post(f"/rooms/{quoted(room)}/forget")).status == 200


async def test_an_invite_comes_with_stripped_state(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(preset="private_chat", name="Garden", topic="Roses")
    phone = await device(bob)
    await alice.invites(room, bob)
    answer = await phone.sync()
    assert list(answer.rooms("invite")) == [room]
    assert answer.rooms() == {}
    events = answer.room(room, "invite")["invite_state"]["events"]
    assert places(events) == {
        ("m.room.create", ""),
        ("m.room.name", ""),
        ("m.room.topic", ""),
        ("m.room.join_rules", ""),
        ("m.room.member", alice.user_id),
        ("m.room.member", bob.user_id),
    }
    assert all(set(e) == {"type", "state_key", "sender", "content"} for e in events)
    assert list((await Device(bob).sync()).rooms("invite")) == [room]


async def test_what_happens_in_a_room_is_not_told_to_the_invited(
    alice: Person, bob: Person
) -> None:
    room = await alice.creates_room(preset="private_chat")
    await alice.invites(room, bob)
    phone = await device(bob)
    await alice.sends(room, "not for bob yet")
    assert (await phone.sync()).is_empty


async def test_who_accepts_an_invite_gets_the_room_from_scratch(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(preset="private_chat", name="Garden")
    said = await alice.sends(room, "welcome")
    await alice.invites(room, bob)
    phone = await device(bob)
    await bob.joins(room)
    answer = await phone.sync()
    assert answer.rooms("invite") == {}
    assert said in ids(answer.timeline(room))
    everything = [*answer.state(room), *answer.timeline(room)]
    assert {("m.room.create", ""), ("m.room.name", "")} <= places(
        [e for e in everything if "state_key" in e]
    )
    assert answer.room(room)["summary"]["m.joined_member_count"] == 2


async def test_a_rejected_invite_leaves_the_section_and_shows_only_that(
    alice: Person, bob: Person
) -> None:
    room = await alice.creates_room(preset="private_chat", name="Secret")
    await alice.sends(room, "not for bob")
    await alice.invites(room, bob)
    phone = await device(bob)
    await bob.leaves(room)
    answer = await phone.sync()
    assert answer.rooms("invite") == {}
    assert members(answer.timeline(room, "leave")) == {bob.user_id: "leave"}
    assert len(answer.timeline(room, "leave")) == 1
    assert answer.state(room, "leave") == []


async def test_who_is_banned_without_having_been_in_is_told_just_that(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, name="Garden")
    phone = await device(bob)
    await alice.bans(room, bob)
    answer = await phone.sync()
    assert members(answer.timeline(room, "leave")) == {bob.user_id: "ban"}
    assert answer.state(room, "leave") == []


async def test_a_knock_is_shown_until_it_is_answered(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(
        preset="private_chat",
        name="Garden",
        initial_state=[
            {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        ],
    )
    phone = await device(bob)
    assert (await bob.post(f"/knock/{quoted(room)}")).status == 200
    answer = await phone.sync()
    events = answer.room(room, "knock")["knock_state"]["events"]
    assert {("m.room.name", ""), ("m.room.member", bob.user_id)} <= places(events)
    assert ("m.room.member", alice.user_id) not in places(events)
    assert list((await Device(bob).sync()).rooms("knock")) == [room]
    await alice.invites(room, bob)
    answer = await phone.sync()
    assert (list(answer.rooms("knock")), list(answer.rooms("invite"))) == ([], [room])


async def test_who_leaves_sees_what_came_until_then(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await alice.sends(room, "seen")
    await bob.leaves(room)
    await alice.sends(room, "unseen")
    answer = await phone.sync()
    assert answer.rooms() == {}
    timeline = answer.timeline(room, "leave")
    assert bodies(timeline) == ["seen"]
    assert members(timeline) == {bob.user_id: "leave"}
    await alice.sends(room, "unseen")
    assert (await phone.sync()).is_empty


@pytest.mark.parametrize("event_filter", [None, {"not_types": ["m.room.member"]}])
async def test_who_is_banned_after_leaving_learns_nothing_else(
    alice: Person, bob: Person, event_filter: dict[str, object] | None
) -> None:
    room = await a_room(alice, bob)
    definition = {"room": {"timeline": event_filter, "state": event_filter}} if event_filter else {}
    phone = await device(bob, definition)
    await alice.sends(room, "seen")
    await bob.leaves(room)
    await alice.sends(room, "unseen")
    await alice.sets(room, "m.room.topic", {"topic": "unseen"})
    await alice.bans(room, bob)
    answer = await phone.sync()
    told = [*answer.timeline(room, "leave"), *answer.state(room, "leave")]
    assert bodies(told) == ["seen"]
    assert "m.room.topic" not in {e["type"] for e in told}
    if event_filter is None:
        assert [e["content"]["membership"] for e in told if e["type"] == "m.room.member"] == [
            "leave",
            "ban",
        ]


async def test_a_ban_that_comes_after_one_has_left_is_told_alone(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await bob.leaves(room)
    await phone.sync()
    await alice.sends(room, "unseen")
    await alice.bans(room, bob)
    answer = await phone.sync()
    assert members(answer.timeline(room, "leave")) == {bob.user_id: "ban"}
    assert len(answer.timeline(room, "leave")) == 1


async def test_a_kick_comes_from_whoever_kicked(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await kicks(alice, room, bob)
    (event,) = (await phone.sync()).timeline(room, "leave")
    assert (event["sender"], event["unsigned"]["membership"]) == (alice.user_id, "leave")


async def test_left_rooms_come_from_scratch_only_when_asked_for(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, name="Garden")
    await alice.sends(room, "seen")
    await bob.leaves(room)
    for number in range(50):
        await alice.sets(room, "m.room.topic", {"topic": str(number)})
    for number in range(50):
        await alice.sends(room, str(number))
    assert (await Device(bob).sync()).rooms("leave") == {}
    answer = await Device(bob, LEFT).sync()
    told = [*answer.timeline(room, "leave"), *answer.state(room, "leave")]
    assert bodies(told) == ["seen"]
    assert ("m.room.name", "") in places([e for e in told if "state_key" in e])
    topics = [e["content"] for e in told if e["type"] == "m.room.topic"]
    assert topics == []


async def test_a_forgotten_room_is_not_shown_again(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await device(bob)
    await bob.leaves(room)
    await forgets(bob, room)
    assert (await Device(bob, LEFT).sync()).rooms("leave") == {}
    await alice.invites(room, bob)
    assert list((await Device(bob).sync()).rooms("invite")) == [room]


async def test_other_devices_are_told_that_one_left_a_room_that_is_forgotten(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await bob.leaves(room)
    await forgets(bob, room)
    answer = await phone.sync()
    assert members(answer.timeline(room, "leave")) == {bob.user_id: "leave"}
    assert (await phone.sync()).is_empty
    assert (await phone.sync(full_state=True, filter=json.dumps(LEFT))).rooms("leave") == {}


async def test_who_leaves_and_comes_back_gets_the_room_from_scratch(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob, name="Garden")
    phone = await device(bob)
    await bob.leaves(room)
    await alice.sets(room, "m.room.topic", {"topic": "meanwhile"})
    await bob.joins(room)
    answer = await phone.sync()
    assert list(answer.json["rooms"]) == ["join"]
    told = [*answer.timeline(room), *answer.state(room)]
    assert {("m.room.topic", ""), ("m.room.name", "")} <= places(
        [e for e in told if "state_key" in e]
    )


async def test_who_joins_and_leaves_between_two_syncs_sees_what_was_between(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice)
    phone = await device(bob)
    await bob.joins(room)
    await alice.sends(room, "hello and goodbye")
    await bob.leaves(room)
    await alice.sends(room, "unseen")
    answer = await phone.sync()
    assert list(answer.json["rooms"]) == ["leave"]
    assert bodies(answer.timeline(room, "leave")) == ["hello and goodbye"]


async def test_who_comes_back_finds_what_they_kept_for_the_room(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await keeps(bob, "m.tag", {"tags": {"u.work": {}}}, room)
    await bob.leaves(room)
    phone = await device(bob)
    await bob.joins(room)
    assert (await phone.sync()).account_data(room) == {"m.tag": {"tags": {"u.work": {}}}}


async def test_membership_survives_restarts(server: SyncServer, alice: Person, bob: Person) -> None:
    joined, left = await a_room(alice, bob), await a_room(alice, bob)
    invited = await alice.creates_room(preset="private_chat")
    phone = await device(bob)
    await bob.leaves(left)
    await alice.invites(invited, bob)
    again = server.restarted()
    phone.person = again.person("bob")
    answer = await phone.sync()
    assert {name: list(rooms) for name, rooms in answer.json["rooms"].items()} == {
        "leave": [left],
        "invite": [invited],
    }
    assert list((await Device(again.person("bob")).sync()).rooms()) == [joined]


async def test_a_room_that_one_makes_appears_on_all_devices(
    server: SyncServer, alice: Person
) -> None:
    laptop = await device(server.person("alice", "LAPTOP"))
    room = await a_room(alice)
    answer = await laptop.sync()
    assert answer.timeline(room)[0]["type"] == "m.room.create"
    assert answer.timeline(room)[0]["unsigned"]["membership"] == "leave"
    assert answer.timeline(room)[1]["unsigned"]["membership"] == "join"


async def test_the_summary_counts_members_and_names_heroes(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    others = [server.person(f"u{n}") for n in range(6)]
    phone = await device(alice)
    for other in others[:5]:
        await other.joins(room)
    await alice.invites(room, others[5])
    summary = (await phone.sync()).room(room)["summary"]
    assert summary == {
        "m.joined_member_count": 7,
        "m.invited_member_count": 1,
        "m.heroes": [p.user_id for p in (bob, *others[:4])],
    }
    await bob.sends(room, "hello")
    assert "summary" not in (await phone.sync()).room(room)
    await alice.sets(room, "m.room.name", {"name": "Garden"})
    assert "m.heroes" not in (await phone.sync()).room(room)["summary"]
    await alice.sets(room, "m.room.name", {})
    assert "m.heroes" in (await phone.sync()).room(room)["summary"]


async def test_heroes_of_a_deserted_room_are_those_who_left(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await bob.leaves(room)
    summary = (await Device(alice).sync()).room(room)["summary"]
    assert summary["m.heroes"] == [bob.user_id]
    assert summary["m.joined_member_count"] == 1


async def test_heroes_stay_the_same_after_a_restart(server: SyncServer, alice: Person) -> None:
    room = await a_room(alice, *(server.person(f"u{n}") for n in (5, 3, 9, 1, 7, 2)))
    before = (await Device(alice).sync()).room(room)["summary"]
    after = (await Device(server.restarted().person("alice")).sync()).room(room)["summary"]
    assert after == before
