"""Which rooms users are in, and with whom."""

from __future__ import annotations

import pytest

from homeserver.ports.personal.profiles import Profile
from homeserver.services.rooms.user_rooms import MUTUAL_ROOMS_PER_PAGE
from tests.rooms_fixture import V1, RoomsServer, quoted, refused

MUTUAL = f"{V1}/mutual_rooms?user_id="


async def test_a_user_lists_the_rooms_they_are_in(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    first, second, third = [await alice.creates_room(preset="public_chat") for _ in range(3)]
    await bob.joins(first)
    await bob.joins(second)
    await alice.invites(third, bob)
    await bob.leaves(second)

    assert (await bob.get("/joined_rooms")).json == {"joined_rooms": [first]}
    listed = (await alice.get("/joined_rooms")).json["joined_rooms"]
    assert listed == sorted([first, second, third])


async def test_a_member_lists_the_members(rooms: RoomsServer) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    rooms.profiles.profiles[alice.user_id] = Profile("Alice", "mxc://hs/a")
    room_id = await alice.creates_room(preset="public_chat", invite=[carol.user_id])
    await bob.joins(room_id)
    path = f"/rooms/{quoted(room_id)}/joined_members"

    assert (await bob.get(path)).json == {
        "joined": {
            alice.user_id: {"display_name": "Alice", "avatar_url": "mxc://hs/a"},
            bob.user_id: {},
        }
    }
    assert refused(await carol.get(path)) == (403, "M_FORBIDDEN")
    nowhere = await bob.get(f"/rooms/{quoted('!no:hs')}/joined_members")
    assert refused(nowhere) == (403, "M_FORBIDDEN")


async def test_rooms_in_common_are_those_both_are_in(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    shared, left, invited, _ = [await alice.creates_room(preset="public_chat") for _ in range(4)]
    for room_id in (shared, left):
        await bob.joins(room_id)
    await bob.leaves(left)
    await alice.invites(invited, bob)

    assert (await alice.get(MUTUAL + bob.user_id)).json == {"joined": [shared], "count": 1}
    assert (await bob.get(MUTUAL + alice.user_id)).json == {"joined": [shared], "count": 1}
    nobody = await alice.get(MUTUAL + "@nobody:elsewhere.example")
    assert nobody.json == {"joined": [], "count": 0}


async def test_many_rooms_in_common_are_paged(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    total = MUTUAL_ROOMS_PER_PAGE + 3
    room_ids = [
        await alice.creates_room(preset="public_chat", room_version="11") for _ in range(total)
    ]
    for room_id in room_ids:
        await bob.joins(room_id)

    first = (await alice.get(MUTUAL + bob.user_id)).json
    second = (await alice.get(f"{MUTUAL}{bob.user_id}&from={first['next_batch']}")).json

    assert (first["count"], second["count"]) == (total, total)
    assert len(first["joined"]) == MUTUAL_ROOMS_PER_PAGE
    assert sorted(first["joined"] + second["joined"]) == sorted(room_ids)
    assert "next_batch" not in second


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("?user_id=@alice:hs", "M_INVALID_PARAM"),
        ("?user_id=alice", "M_INVALID_PARAM"),
        ("?user_id=@%20:hs", "M_INVALID_PARAM"),
        ("", "M_MISSING_PARAM"),
        ("?user_id=@bob:hs&from=x", "M_INVALID_PARAM"),
        ("?user_id=@bob:hs&from=%21%21", "M_INVALID_PARAM"),
    ],
)
async def test_whom_to_compare_with_must_be_another_user(
    rooms: RoomsServer, query: str, errcode: str
) -> None:
    response = await rooms.person("alice").get(f"{V1}/mutual_rooms{query}")

    assert refused(response) == (400, errcode)
