"""Rooms from scratch: what is read for many of them."""

from __future__ import annotations

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId, RoomId
from tests.rooms_fixture import Person
from tests.sync_fixture import Device, SyncServer, a_room, device, ids, places, said

PINGS: JsonObject = {"room": {"timeline": {"types": ["org.example.ping"], "limit": 2}}}


async def a_long_room(alice: Person, bob: Person) -> tuple[RoomId, list[EventId]]:
    """A room whose pings have left memory; its ID and theirs."""
    room = await a_room(alice, bob)
    pings = [await said(alice, room, {}, "org.example.ping") for _ in range(3)]
    for number in range(45):
        await alice.sends(room, str(number))
    return room, pings


async def test_a_narrow_filter_finds_what_is_older_than_memory(alice: Person, bob: Person) -> None:
    room, pings = await a_long_room(alice, bob)
    answer = await Device(bob, PINGS).sync()
    assert ids(answer.timeline(room)) == pings[1:]
    assert answer.room(room)["timeline"]["limited"]


async def test_state_that_changed_after_an_old_timeline_is_told(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, topic="Tulips")
    pings = [await said(alice, room, {}, "org.example.ping") for _ in range(3)]
    await alice.sets(room, "m.room.topic", {"topic": "overtaken"})
    topic = await alice.sets(room, "m.room.topic", {"topic": "Roses"})
    name = await alice.sets(room, "m.room.name", {"name": "Garden"})
    for number in range(45):
        await alice.sends(room, str(number))
    for after in (False, True):
        answer = await Device(bob, PINGS).sync(use_state_after=after)
        assert ids(answer.timeline(room)) == pings[1:]
        state = {e["type"]: e["event_id"] for e in answer.state(room)}
        assert (state["m.room.topic"], state["m.room.name"]) == (topic, name)


async def test_shown_state_is_told_as_it_was_before(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, topic="Tulips")
    for number in range(45):
        await alice.sends(room, str(number))
    topics = [await alice.sets(room, "m.room.topic", {"topic": name}) for name in ("a", "b", "c")]
    for number in range(45):
        await alice.sends(room, str(number))
    only_topics: JsonObject = {"room": {"timeline": {"types": ["m.room.topic"], "limit": 2}}}
    answer = await Device(bob, only_topics).sync()
    assert ids(answer.timeline(room)) == topics[1:]
    assert [e["event_id"] for e in answer.state(room) if e["type"] == "m.room.topic"] == topics[:1]


async def test_many_rooms_take_as_many_queries_as_a_few(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    """Up to twenty; then another one for the next twenty."""
    for _ in range(2):
        await a_long_room(alice, bob)
    for _ in range(9):
        await a_long_room(alice, carol)
    reads = {}
    for person in (bob, carol):
        await device(person)
        before = server.database.reads
        answer = await Device(person, PINGS).sync()
        assert all(len(answer.timeline(room)) == 2 for room in answer.rooms())
        reads[person.user_id] = server.database.reads - before
    assert reads[bob.user_id] == reads[carol.user_id]


@pytest.mark.parametrize(
    "definition",
    [
        {"timeline": {"types": []}, "state": {"types": ["m.room.create"]}},
        {"timeline": {"rooms": ["!other:hs"]}, "state": {"types": ["m.room.create"]}},
    ],
)
async def test_what_the_filter_leaves_out_is_not_read(
    server: SyncServer, alice: Person, bob: Person, definition: JsonObject
) -> None:
    room, _ = await a_long_room(alice, bob)
    bob = server.restarted().person("bob")
    phone = Device(bob, {"room": definition})
    await device(bob, {"room": {**definition, "state": {"types": []}}})
    before = phone.server.database.reads
    answer = await phone.sync()
    assert answer.timeline(room) == []
    assert not answer.room(room)["timeline"]["limited"]
    assert places(answer.state(room)) == {("m.room.create", "")}
    # Account data; the state that was wanted is in memory, and no members are.
    assert phone.server.database.reads - before == 1


async def test_a_filter_that_finds_nothing_in_a_whole_room_says_so(
    alice: Person, bob: Person
) -> None:
    room, _ = await a_long_room(alice, bob)
    nothing: JsonObject = {"room": {"timeline": {"senders": ["@nobody:hs"]}}}
    answer = await Device(bob, nothing).sync()
    assert answer.timeline(room) == []
    assert not answer.room(room)["timeline"]["limited"]
