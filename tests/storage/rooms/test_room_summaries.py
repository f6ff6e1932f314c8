"""Rooms as their current state describes them."""

from __future__ import annotations

from homeserver.domain.identifiers import RoomId
from homeserver.domain.room_summary import RoomSummary
from storage.rooms.room_summaries import SqlRoomSummaryStore
from tests.rooms_fixture import RoomsServer


async def test_summaries_of_many_rooms_are_read_at_once(rooms: RoomsServer) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    public = await alice.creates_room(preset="public_chat", name="one", topic="old")
    await alice.sets(public, "m.room.topic", {"topic": "new"})
    await alice.sets(public, "m.room.name", {"name": "not the room's"}, "some key")
    await bob.joins(public)
    private = await alice.creates_room(room_version="9", invite=[carol.user_id])
    store = SqlRoomSummaryStore(rooms.log)

    found = await store.summaries([public, private, RoomId("!nowhere:hs")])

    assert found == {
        public: RoomSummary(
            room_id=public,
            num_joined_members=2,
            world_readable=False,
            guest_can_join=False,
            join_rule="public",
            name="one",
            topic="new",
            room_version="12",
        ),
        private: RoomSummary(
            room_id=private,
            num_joined_members=1,
            world_readable=False,
            guest_can_join=True,
            join_rule="invite",
            room_version="9",
        ),
    }
    assert await store.summaries([]) == {}


async def test_the_current_children_of_a_space_are_read(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    space, other = [await alice.creates_room() for _ in range(2)]
    await alice.sets(space, "m.space.child", {"via": ["old"]}, "!a:hs")
    await alice.sets(space, "m.space.child", {"via": ["new"]}, "!a:hs")
    await alice.sets(space, "m.space.child", {"via": ["hs"]}, "!b:hs")
    await alice.sets(other, "m.space.child", {"via": ["hs"]}, "!c:hs")

    children = await SqlRoomSummaryStore(rooms.log).children(space)

    found = {child.event.state_key: child.event.content["via"] for child in children}
    assert found == {"!a:hs": ["new"], "!b:hs": ["hs"]}
