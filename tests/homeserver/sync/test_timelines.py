"""/sync: the timelines of joined rooms, from scratch and from a token on."""

from __future__ import annotations

import pytest

from tests.rooms_fixture import Person
from tests.sync_fixture import (
    STANDING,
    Device,
    SyncServer,
    a_room,
    bodies,
    device,
    ids,
    places,
    renames,
)


async def test_a_user_without_rooms_gets_a_token_and_their_push_rules(alice: Person) -> None:
    answer = await Device(alice).sync()
    assert answer.json.keys() - STANDING == {"account_data"}
    assert list(answer.account_data()) == ["m.push_rules"]


async def test_from_scratch_a_room_comes_with_its_newest_events_and_the_state_before(
    alice: Person,
) -> None:
    room = await a_room(alice, name="Garden")
    said = [await alice.sends(room, str(n)) for n in range(12)]
    answer = await Device(alice).sync()
    assert ids(answer.timeline(room)) == said[2:]
    assert answer.room(room)["timeline"]["limited"]
    assert {("m.room.create", ""), ("m.room.name", ""), ("m.room.member", alice.user_id)} <= places(
        answer.state(room)
    )


async def test_a_young_room_comes_whole_without_state(alice: Person) -> None:
    room = await a_room(alice)
    answer = await Device(alice, {"room": {"timeline": {"limit": 50}}}).sync()
    assert answer.timeline(room)[0]["type"] == "m.room.create"
    assert not answer.room(room)["timeline"]["limited"]
    assert answer.state(room) == []


async def test_a_sync_brings_what_came_since_the_one_before(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    one, two = await alice.sends(room, "1"), await alice.sends(room, "2")
    answer = await phone.sync()
    assert ids(answer.timeline(room)) == [one, two]
    assert not answer.room(room)["timeline"]["limited"]
    assert answer.state(room) == []
    assert (await phone.sync()).is_empty


async def test_an_answer_that_was_lost_is_given_again(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    said = await alice.sends(room, "1")
    assert ids((await phone.peek()).timeline(room)) == [said]
    assert ids((await phone.sync()).timeline(room)) == [said]


async def test_rooms_in_which_nothing_happened_are_not_mentioned(
    alice: Person, bob: Person
) -> None:
    quiet, loud = await a_room(alice, bob), await a_room(alice, bob)
    phone = await device(bob)
    await alice.sends(loud, "hello")
    answer = await phone.sync()
    assert list(answer.rooms()) == [loud]
    assert quiet not in answer.rooms()


async def test_too_many_events_leave_a_gap_that_state_tells_about(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, {"room": {"timeline": {"limit": 2}}})
    name = await alice.sets(room, "m.room.name", {"name": "old"})
    await alice.sets(room, "m.room.topic", {"topic": "overtaken"})
    topic = await alice.sets(room, "m.room.topic", {"topic": "new"})
    await alice.sends(room, "in the gap")
    shown = [await alice.sends(room, "1"), await alice.sets(room, "m.room.name", {"name": "new"})]
    answer = await phone.sync()
    assert ids(answer.timeline(room)) == shown
    assert answer.room(room)["timeline"]["limited"]
    assert sorted(ids(answer.state(room))) == sorted([name, topic])


async def test_prev_batch_leads_to_what_came_before_the_timeline(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    said = [await alice.sends(room, str(n)) for n in range(6)]
    answer = await Device(bob, {"room": {"timeline": {"limit": 2}}}).sync()
    before = answer.room(room)["timeline"]["prev_batch"]
    page = await bob.get(f"/rooms/{room}/messages?dir=b&limit=3&from={before}")
    assert ids(answer.timeline(room)) == said[4:]
    assert ids(page.json["chunk"]) == [said[3], said[2], said[1]]


async def test_a_gap_wider_than_memory_is_read_from_the_database(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    topic = await alice.sets(room, "m.room.topic", {"topic": "long ago"})
    said = [await alice.sends(room, str(n)) for n in range(60)]
    answer = await phone.sync()
    assert ids(answer.timeline(room)) == said[-10:]
    assert ids(answer.state(room)) == [topic]
    assert answer.unread(room) == (60, 0)


async def test_large_limits_reach_beyond_memory(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, {"room": {"timeline": {"limit": 100}}})
    said = [await alice.sends(room, str(n)) for n in range(60)]
    answer = await phone.sync()
    assert ids(answer.timeline(room)) == said
    assert not answer.room(room)["timeline"]["limited"]
    again = await Device(bob, phone.filter).sync()
    assert ids(again.timeline(room))[-60:] == said


async def test_full_state_brings_all_state_and_what_came_since(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, name="Garden")
    quiet = await a_room(alice, bob)
    phone = await device(bob)
    said = await alice.sends(room, "hello")
    answer = await phone.sync(full_state=True)
    assert ids(answer.timeline(room)) == [said]
    assert not answer.room(room)["timeline"]["limited"]
    assert {("m.room.create", ""), ("m.room.name", "")} <= places(answer.state(room))
    assert answer.timeline(quiet) == []
    assert ("m.room.member", alice.user_id) in places(answer.state(quiet))


async def test_full_state_with_many_new_events_says_so(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, {"room": {"timeline": {"limit": 40}}})
    said = [await alice.sends(room, str(n)) for n in range(45)]
    answer = await phone.sync(full_state=True)
    assert ids(answer.timeline(room)) == said[5:]
    assert answer.room(room)["timeline"]["limited"]


async def test_state_after_describes_the_end_of_the_timeline(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await alice.sets(room, "m.room.name", {"name": "old"})
    name = await alice.sets(room, "m.room.name", {"name": "new"})
    await alice.sends(room, "hello")
    answer = await phone.sync(use_state_after=True)
    assert "state" not in answer.room(room)
    assert ids(answer.room(room)["state_after"]["events"]) == [name]
    await alice.sends(room, "hello")
    assert (await phone.sync(use_state_after=True)).room(room)["state_after"] == {"events": []}


async def test_state_after_from_scratch_and_over_a_gap(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, {"room": {"timeline": {"limit": 2}}})
    await alice.sets(room, "m.room.topic", {"topic": "in the gap"})
    await alice.sends(room, "1")
    await alice.sets(room, "m.room.name", {"name": "in the timeline"})
    over_a_gap = await phone.sync(use_state_after=True)
    assert places(over_a_gap.state(room)) == {("m.room.topic", ""), ("m.room.name", "")}
    from_scratch = await Device(bob, phone.filter).sync(use_state_after=True)
    assert {("m.room.topic", ""), ("m.room.name", ""), ("m.room.create", "")} <= places(
        from_scratch.state(room)
    )


async def test_state_comes_with_what_it_replaces(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    old = await alice.sets(room, "m.room.topic", {"topic": "old"})
    phone = await device(bob)
    await alice.sets(room, "m.room.topic", {"topic": "new"})
    (event,) = (await phone.sync()).timeline(room)
    assert event["unsigned"]["prev_content"] == {"topic": "old"}
    assert event["unsigned"]["replaces_state"] == old


async def test_only_the_sending_device_learns_the_transaction(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    laptop = server.person("alice", "LAPTOP")
    # Another user may well have a device of the same name.
    devices = [await device(p) for p in (alice, laptop, bob)]
    await alice.send(room, {"msgtype": "m.text", "body": "1"}, txn_id="mine")
    answers = [(await d.sync()).timeline(room)[0] for d in devices]
    assert [a["unsigned"].get("transaction_id") for a in answers] == ["mine", None, None]
    assert [a["unsigned"]["membership"] for a in answers] == ["join"] * 3


async def test_devices_of_one_name_learn_each_their_own_transactions(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phones = [await device(alice), await device(bob)]
    await alice.send(room, {"msgtype": "m.text", "body": "1"}, txn_id="of alice")
    await bob.send(room, {"msgtype": "m.text", "body": "2"}, txn_id="of bob")
    told = [
        [e["unsigned"].get("transaction_id") for e in (await phone.sync()).timeline(room)]
        for phone in phones
    ]
    assert told == [["of alice", None], [None, "of bob"]]


async def test_a_sync_goes_on_after_a_restart(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    said = await alice.sends(room, "before")
    again = server.restarted()
    phone.person = again.person("bob")
    assert ids((await phone.sync()).timeline(room)) == [said]
    said = await again.person("alice").sends(room, "after")
    assert ids((await phone.sync()).timeline(room)) == [said]


async def test_a_room_that_was_let_go_comes_back_as_it_was(alice: Person) -> None:
    server = SyncServer(rooms_budget=1)
    alice, bob = server.person("alice"), server.person("bob")
    rooms = [await a_room(alice, bob) for _ in range(3)]
    phone = await device(bob)
    for room in rooms:
        await alice.sends(room, "1")
    answer = await phone.sync()
    assert [bodies(answer.timeline(room)) for room in rooms] == [["1"]] * 3
    await renames(alice, rooms[0], "Ann")
    assert (await phone.sync()).timeline(rooms[0])[0]["content"]["displayname"] == "Ann"


@pytest.mark.parametrize("reads", range(1, 9))
@pytest.mark.parametrize("loaded", [True, False])
async def test_an_event_that_comes_while_an_answer_is_made_is_told_once(
    reads: int, loaded: bool
) -> None:
    server = SyncServer(rooms_budget=10**9 if loaded else 1)
    alice, bob = server.person("alice"), server.person("bob")
    room = await a_room(alice, bob)
    await alice.sends(room, "before")
    phone = Device(bob)
    server.database.between(reads, lambda: alice.sets(room, "m.room.topic", {"topic": "late"}))
    answers = [await phone.sync()]
    await alice.sends(room, "after")
    answers.append(await phone.sync())
    events = [event for answer in answers for event in answer.timeline(room)]
    assert bodies(events) == ["before", "after"]
    assert [e["type"] for e in events].count("m.room.topic") in (0, 1)
    if server.database.has_happened:
        assert [e["type"] for e in events].count("m.room.topic") == 1
