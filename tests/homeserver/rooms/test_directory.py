"""The directory of rooms: loading, keeping and letting go of actors; making rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.rooms.actor import NewEvent
from tests.bare_rooms import first_events, state
from tests.deferreds import together
from tests.rooms_fixture import RoomsServer, sqlite_at


async def test_an_unknown_room_is_not_found(rooms: RoomsServer) -> None:
    with pytest.raises(NotFound):
        await rooms.directory.by_id(RoomId("!nowhere:hs"))
    assert not await rooms.directory.knows(RoomId("!nowhere:hs"))


async def test_who_asks_for_a_room_while_it_is_loaded_gets_the_same_actor(
    rooms: RoomsServer,
) -> None:
    room_id = await rooms.person("alice").creates_room()
    restarted = await rooms.restart()

    actors = await together(*(restarted.directory.by_id(room_id) for _ in range(5)))

    assert all(actor is actors[0] for actor in actors)
    await restarted.close()


async def test_a_room_is_loaded_as_it_was(rooms: RoomsServer) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    room_id = await alice.creates_room(preset="public_chat", name="Garden", visibility="public")
    await bob.joins(room_id)
    await alice.invites(room_id, carol)
    await alice.sets(room_id, "m.room.name", {"name": "Orchard"})
    for n in range(60):
        await bob.sends(room_id, str(n))
    before = (await rooms.actor(room_id)).view

    restarted = await rooms.restart()
    after = (await restarted.actor(room_id)).view

    assert {k: e.event for k, e in after.state.items()} == {
        k: e.event for k, e in before.state.items()
    }
    assert after.members == before.members
    assert after.counts == before.counts == {"join": 2, "invite": 1}
    assert [e.event for e in after.tail] == [e.event for e in before.tail]
    assert [e.order for e in after.tail] == [e.order for e in before.tail]
    assert (after.version, after.shard, after.published) == (before.version, 0, True)
    assert after.ordinal == before.ordinal
    await restarted.close()


async def test_rooms_that_are_not_used_make_place_for_others(tmp_path: Path) -> None:
    rooms = RoomsServer(sqlite_at(tmp_path / "myelin.db"))
    alice = rooms.person("alice")
    room_ids = [await alice.creates_room() for _ in range(20)]
    actors = [await rooms.actor(room_id) for room_id in room_ids]
    await rooms.close()

    small = RoomsServer(sqlite_at(tmp_path / "myelin.db"), rooms_budget=100_000)
    for actor in actors:
        await small.directory.by_nid(actor.view.nid)

    assert small.directory.bytes <= 100_000
    assert 0 < len(list(small.directory.views())) < 20
    await small.person("alice").sends(room_ids[0], "it is loaded again")
    await small.close()


async def test_a_room_is_made_of_all_its_first_events(rooms: RoomsServer) -> None:
    actor, stored, committed = rooms.directory.create(
        "12", state("m.room.create", {"room_version": "12"}), first_events,
        room_id=None, published=False,
    )  # fmt: skip
    assert len(stored) == 2
    room_id = stored[0].event.room_id
    assert actor.view.room_id == room_id == RoomId("!" + stored[0].event.event_id[1:])

    await committed

    assert await rooms.directory.knows(room_id)
    assert [e.event.type for e in await rooms.timeline(room_id)] == [
        "m.room.create",
        "m.room.member",
    ]


async def test_a_room_with_an_event_that_is_not_allowed_is_not_made(rooms: RoomsServer) -> None:
    def intruding(room_id: RoomId) -> list[NewEvent]:
        stranger = NewEvent("m.room.name", UserId("@stranger:hs"), {"name": "mine"}, "")
        return [*first_events(room_id), stranger]

    with pytest.raises(Forbidden):
        rooms.directory.create(
            "11", state("m.room.create", {"room_version": "11"}), intruding,
            room_id=RoomId("!new:hs"), published=False,
        )  # fmt: skip

    with pytest.raises(NotFound):
        await rooms.directory.by_id(RoomId("!new:hs"))
    assert rooms.rows("SELECT count(*) FROM events") == [(0,)]


async def test_many_rooms_are_loaded_at_once(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_ids = [await alice.creates_room(name=f"room {n}") for n in range(30)]
    nids = [(await rooms.actor(room_id)).view.nid for room_id in room_ids]
    restarted = await rooms.restart()
    await restarted.directory.by_nid(nids[3])

    loaded = await restarted.directory.load(nids)

    assert [loaded[nid].view.room_id for nid in nids] == room_ids
    names = [loaded[nid].view.content("m.room.name")["name"] for nid in nids]
    assert names == [f"room {n}" for n in range(30)]
    await restarted.close()
