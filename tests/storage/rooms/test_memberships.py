"""Which rooms users are in."""

from __future__ import annotations

from homeserver.domain.identifiers import RoomId
from tests.rooms_fixture import RoomsServer


async def test_memberships_are_found_by_user(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    joined, left, invited, other = [
        await alice.creates_room(preset="public_chat") for _ in range(4)
    ]
    for room_id in (joined, left):
        await bob.joins(room_id)
    await bob.leaves(left)
    await alice.invites(invited, bob)
    store = rooms.membership_store

    assert await store.joined_rooms(bob.user_id) == [joined]
    asked = [joined, left, invited, other, RoomId("!nowhere:hs")]
    assert await store.memberships(bob.user_id, asked) == {
        joined: "join",
        left: "leave",
        invited: "invite",
    }
    assert await store.memberships(bob.user_id, []) == {}


async def test_rooms_in_common_are_paged(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_ids = [await alice.creates_room(preset="public_chat") for _ in range(5)]
    for room_id in room_ids[:4]:
        await bob.joins(room_id)
    store = rooms.membership_store

    found: list[RoomId] = []
    while True:
        after = found[-1] if found else None
        page = await store.shared_rooms(alice.user_id, bob.user_id, after=after, limit=2)
        assert page.total == 4
        if not page.room_ids:
            break
        found += page.room_ids

    assert sorted(found) == sorted(room_ids[:4])


async def test_only_a_room_that_was_left_is_forgotten(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    await bob.leaves(room_id)
    nid = (await rooms.actor(room_id)).view.nid

    for person in (alice, bob):
        await rooms.log.write(rooms.membership_store.forget, person.user_id, nid)

    for person, forgotten in ((alice, False), (bob, True)):
        room = await rooms.room_store.room_of_user(person.user_id, nid)
        assert room is not None
        assert room.forgotten is forgotten
