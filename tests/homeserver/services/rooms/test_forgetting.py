"""Forgetting rooms, and leaving all of them."""

from __future__ import annotations

import pytest

from homeserver.log.entries import ForgottenEntry
from tests.rooms_fixture import Person, RoomsServer, quoted, refused


async def forget(person: Person, room_id: str) -> tuple[int, str]:
    return refused(await person.post(f"/rooms/{quoted(room_id)}/forget"))


def forgotten(rooms: RoomsServer, person: Person) -> bool:
    rows = rooms.rows("SELECT forgotten FROM memberships WHERE user_id = ?", person.user_id)
    return [bool(value) for (value,) in rows] == [True]


async def test_a_room_that_was_left_can_be_forgotten(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    await bob.leaves(room_id)

    assert await forget(bob, room_id) == (200, "no error")

    assert forgotten(rooms, bob)
    last = rooms.entries[-1]
    assert isinstance(last, ForgottenEntry)
    assert (last.user_id, last.room_id) == (bob.user_id, room_id)
    state = await bob.get(f"/rooms/{quoted(room_id)}/state")
    assert refused(state) == (403, "M_FORBIDDEN")


async def test_forgetting_twice_changes_nothing(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    await alice.leaves(room_id)
    await forget(alice, room_id)
    entries = len(rooms.entries)

    assert await forget(alice, room_id) == (200, "no error")
    assert len(rooms.entries) == entries


async def test_a_room_comes_back_to_mind_with_an_invite(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(invite=[bob.user_id])
    await bob.leaves(room_id)
    await forget(bob, room_id)

    await alice.invites(room_id, bob)

    assert not forgotten(rooms, bob)


@pytest.mark.parametrize("membership", ["join", "invite"])
async def test_a_room_must_be_left_first(rooms: RoomsServer, membership: str) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(invite=[bob.user_id])
    if membership == "join":
        await bob.joins(room_id)

    assert await forget(bob, room_id) == (400, "M_UNKNOWN")


async def test_a_ban_can_be_forgotten(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room()
    await alice.bans(room_id, bob)

    assert await forget(bob, room_id) == (200, "no error")
    assert forgotten(rooms, bob)


async def test_what_was_never_known_cannot_be_forgotten(rooms: RoomsServer) -> None:
    room_id = await rooms.person("alice").creates_room()
    bob = rooms.person("bob")

    assert await forget(bob, room_id) == (404, "M_NOT_FOUND")
    assert await forget(bob, "!nowhere:hs") == (404, "M_NOT_FOUND")


async def test_a_user_leaves_every_room_at_once(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    joined = [await alice.creates_room(preset="public_chat") for _ in range(60)]
    for room_id in joined:
        await bob.joins(room_id)
    invited = await alice.creates_room(invite=[bob.user_id])
    door = await alice.creates_room(
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
    )
    await bob.post(f"/knock/{quoted(door)}")
    banned = await alice.creates_room()
    await alice.bans(banned, bob)
    restarted = await rooms.restart()

    await restarted.departures.leave_all(bob.user_id)
    await restarted.departures.leave_all(bob.user_id)

    for room_id in (*joined, invited, door):
        assert await restarted.membership(room_id, bob) == "leave"
    assert await restarted.membership(banned, bob) == "ban"
    leaves = "SELECT count(*) FROM events WHERE type = 'm.room.member' AND sender = ?"
    assert restarted.rows(leaves, bob.user_id) == [(60 + 1 + 60 + 2,)]
    await restarted.close()
