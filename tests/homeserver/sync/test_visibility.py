"""/sync: how much of a room's history those see who come into it."""

from __future__ import annotations

import pytest

from tests.rooms_fixture import Person
from tests.sync_fixture import Device, SyncServer, bodies, device, members

WIDE = {"room": {"timeline": {"limit": 100}}}


async def a_room_with(alice: Person, visibility: str) -> str:
    event = {
        "type": "m.room.history_visibility",
        "state_key": "",
        "content": {"history_visibility": visibility},
    }
    return await alice.creates_room(preset="public_chat", initial_state=[event])


SEEN_AFTER = {
    "world_readable": ["before", "invited", "joined"],
    "shared": ["before", "invited", "joined"],
    "invited": ["invited", "joined"],
    "joined": ["joined"],
}


@pytest.mark.parametrize("visibility", SEEN_AFTER)
@pytest.mark.parametrize("restart", [False, True])
async def test_newcomers_see_what_the_visibility_allows(
    server: SyncServer, alice: Person, bob: Person, visibility: str, restart: bool
) -> None:
    room = await a_room_with(alice, visibility)
    phone = await device(bob, WIDE)
    await alice.sends(room, "before")
    await alice.invites(room, bob)
    await alice.sends(room, "invited")
    await bob.joins(room)
    await alice.sends(room, "joined")
    if restart:
        server = server.restarted()
        phone.person = server.person("bob")
    for answer in (await phone.sync(), await Device(server.person("bob"), WIDE).sync()):
        assert bodies(answer.timeline(room)) == SEEN_AFTER[visibility]
        assert members(answer.timeline(room))[bob.user_id] == "join"


@pytest.mark.parametrize("visibility", ["joined", "invited", "shared"])
async def test_who_was_away_sees_the_meantime_only_of_shared_rooms(
    alice: Person, bob: Person, visibility: str
) -> None:
    room = await a_room_with(alice, visibility)
    await bob.joins(room)
    await alice.sends(room, "first stay")
    phone = await device(bob, WIDE)
    await bob.leaves(room)
    await alice.sends(room, "away")
    await bob.joins(room)
    await alice.sends(room, "second stay")
    expected = ["first stay", "away", "second stay"]
    if visibility != "shared":
        expected.remove("away")
    assert bodies((await phone.sync()).timeline(room)) == expected


async def test_a_change_of_visibility_counts_from_then_on(alice: Person, bob: Person) -> None:
    room = await a_room_with(alice, "joined")
    await alice.sends(room, "hidden")
    await alice.sets(room, "m.room.history_visibility", {"history_visibility": "shared"})
    await alice.sends(room, "shared")
    await bob.joins(room)
    answer = await Device(bob, WIDE).sync()
    assert bodies(answer.timeline(room)) == ["shared"]
    assert "m.room.history_visibility" in [e["type"] for e in answer.timeline(room)]


async def test_the_state_of_a_room_is_told_even_where_history_is_not(
    alice: Person, bob: Person
) -> None:
    room = await a_room_with(alice, "joined")
    await alice.sets(room, "m.room.topic", {"topic": "Roses"})
    await bob.joins(room)
    answer = await Device(bob, WIDE).sync()
    assert [e["content"] for e in answer.state(room) if e["type"] == "m.room.topic"] == [
        {"topic": "Roses"}
    ]
    assert "m.room.topic" not in [e["type"] for e in answer.timeline(room)]


async def test_nobody_without_a_part_in_a_room_hears_of_it(alice: Person, bob: Person) -> None:
    room = await a_room_with(alice, "world_readable")
    phone = await device(bob)
    await alice.sends(room, "hello")
    assert (await phone.sync()).is_empty
    assert room not in (await Device(bob).sync()).rooms()
