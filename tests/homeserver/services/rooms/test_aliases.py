"""Aliases of rooms."""

from __future__ import annotations

import pytest

from tests.deferreds import together
from tests.rooms_fixture import Person, RoomsServer, quoted, refused

OK = (200, "no error")
FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")
INVALID = (400, "M_INVALID_PARAM")


def path(alias: str) -> str:
    return f"/directory/room/{quoted(alias)}"


async def name(person: Person, room_id: str, alias: str) -> tuple[int, str]:
    """Give a room an alias."""
    return refused(await person.put(path(alias), {"room_id": room_id}))


async def test_an_alias_leads_to_its_room(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    assert await name(alice, room_id, "#garten_ü:hs") == OK

    found = await rooms.client.request("GET", f"/_matrix/client/v3{path('#garten_ü:hs')}")
    assert (found.status, found.json) == (200, {"room_id": room_id, "servers": ["hs"]})


async def test_an_alias_is_given_once(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id, other = await alice.creates_room(), await bob.creates_room()
    assert await name(alice, room_id, "#pub:hs") == OK

    assert await name(bob, other, "#pub:hs") == (409, "M_UNKNOWN")
    assert await rooms.aliases.room_of("#pub:hs") == room_id


async def test_of_those_who_want_an_alias_at_once_one_gets_it(rooms: RoomsServer) -> None:
    people = [rooms.person(f"user{n}") for n in range(5)]
    room_ids = [await person.creates_room() for person in people]

    answers = await together(
        *(name(p, room_id, "#pub:hs") for p, room_id in zip(people, room_ids, strict=True))
    )

    assert sorted(answers) == [OK, *[(409, "M_UNKNOWN")] * 4]


async def test_only_members_name_a_room(rooms: RoomsServer) -> None:
    room_id = await rooms.person("alice").creates_room()
    bob = rooms.person("bob")

    assert await name(bob, room_id, "#pub:hs") == FORBIDDEN
    assert await name(bob, "!nowhere:hs", "#pub:hs") == FORBIDDEN


@pytest.mark.parametrize("alias", ["#pub:elsewhere.example", "pub", "#pub", "#:", "!pub:hs"])
async def test_what_is_no_alias_of_this_server_is_refused(rooms: RoomsServer, alias: str) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    assert await name(alice, room_id, alias) == INVALID


async def test_an_alias_needs_a_room(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")

    assert refused(await alice.put(path("#pub:hs"))) == (400, "M_MISSING_PARAM")
    assert refused(await alice.put(path("#pub:hs"), {"room_id": "x"})) == INVALID


async def test_an_alias_that_nobody_made_is_not_found(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")

    assert refused(await alice.get(path("#nowhere:hs"))) == NOT_FOUND
    assert refused(await alice.get(path("#pub:elsewhere.example"))) == NOT_FOUND
    assert refused(await alice.get(path("nowhere"))) == INVALID
    assert refused(await alice.delete(path("#nowhere:hs"))) == NOT_FOUND


async def test_who_made_an_alias_removes_it(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    await name(bob, room_id, "#pub:hs")

    assert refused(await bob.delete(path("#pub:hs"))) == OK
    assert refused(await bob.get(path("#pub:hs"))) == NOT_FOUND


async def test_others_remove_an_alias_if_they_manage_the_room_or_the_server(
    rooms: RoomsServer,
) -> None:
    alice, bob, carol = (rooms.person(name) for name in ("alice", "bob", "carol"))
    root = rooms.person("root", is_admin=True)
    room_id = await alice.creates_room(preset="public_chat")
    for person in (bob, carol):
        await person.joins(room_id)
    for alias in ("#a:hs", "#b:hs"):
        await name(bob, room_id, alias)

    assert refused(await carol.delete(path("#a:hs"))) == FORBIDDEN
    assert refused(await alice.delete(path("#a:hs"))) == OK
    assert refused(await root.delete(path("#b:hs"))) == OK


async def test_an_alias_that_is_removed_leaves_the_state_of_the_room(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(room_alias_name="main")
    for alias in ("#a:hs", "#b:hs"):
        await name(alice, room_id, alias)
    aliases = {"alias": "#main:hs", "alt_aliases": ["#a:hs", "#b:hs"]}
    await alice.sets(room_id, "m.room.canonical_alias", aliases)

    await alice.delete(path("#a:hs"))
    assert await rooms.content(room_id, "m.room.canonical_alias") == {
        "alias": "#main:hs",
        "alt_aliases": ["#b:hs"],
    }
    await alice.delete(path("#main:hs"))
    await alice.delete(path("#b:hs"))
    assert await rooms.content(room_id, "m.room.canonical_alias") == {}


async def test_an_alias_is_removed_even_if_the_state_may_not_be_changed(
    rooms: RoomsServer,
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    await name(bob, room_id, "#bobs:hs")
    await alice.sets(room_id, "m.room.canonical_alias", {"alias": "#bobs:hs"})

    assert refused(await bob.delete(path("#bobs:hs"))) == OK
    assert await rooms.content(room_id, "m.room.canonical_alias") == {"alias": "#bobs:hs"}


async def test_the_aliases_of_a_room_are_listed_to_its_members(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(room_alias_name="b")
    await name(alice, room_id, "#a:hs")
    listing = f"/rooms/{quoted(room_id)}/aliases"

    assert (await alice.get(listing)).json == {"aliases": ["#a:hs", "#b:hs"]}
    assert refused(await bob.get(listing)) == FORBIDDEN
    assert refused(await bob.get(f"/rooms/{quoted('!nowhere:hs')}/aliases")) == FORBIDDEN
    await alice.sets(room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})
    assert (await bob.get(listing)).status == 200
