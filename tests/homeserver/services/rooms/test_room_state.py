"""Setting the state of rooms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deferreds import together
from tests.rooms_fixture import RoomsServer, quoted, refused

OK = (200, "no error")
FORBIDDEN = (403, "M_FORBIDDEN")


async def test_state_replaces_what_it_was(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    first = await alice.sets(room_id, "m.room.name", {"name": "one"})
    second = await alice.sets(room_id, "m.room.name", {"name": "two"})

    assert await rooms.content(room_id, "m.room.name") == {"name": "two"}
    by_id = {e.event.event_id: e for e in await rooms.timeline(room_id)}
    assert by_id[second].replaces_nid == by_id[first].nid


async def test_setting_the_same_again_answers_the_event_that_did(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    first = await alice.sets(room_id, "m.room.name", {"name": "x", "n": [1, {"a": None}]})
    events = len(await rooms.timeline(room_id))

    again = await together(
        *(alice.sets(room_id, "m.room.name", {"n": [1, {"a": None}], "name": "x"}) for _ in "ab")
    )

    assert again == [first, first]
    assert len(await rooms.timeline(room_id)) == events


async def test_setting_the_same_at_the_same_time_is_one_event(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    events = len(await rooms.timeline(room_id))

    ids = await together(*(alice.sets(room_id, "m.room.name", {"name": "x"}) for _ in range(4)))

    assert len(set(ids)) == 1
    assert len(await rooms.timeline(room_id)) == events + 1


async def test_what_only_looks_the_same_is_another_event(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(
        preset="public_chat", power_level_content_override={"state_default": 0}
    )
    await bob.joins(room_id)

    ids = [
        await alice.sets(room_id, "org.example", {"a": 1}),
        await alice.sets(room_id, "org.example", {"a": True}),
        await alice.sets(room_id, "org.example", {"a": True}, "key"),
        await bob.sets(room_id, "org.example", {"a": True}),
        await alice.sets(room_id, "org.example", {"a": True}),
    ]

    assert len(set(ids)) == 5


async def test_who_left_sets_nothing_even_if_it_is_the_same(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    await alice.sets(room_id, "m.room.name", {"name": "x"})
    await alice.leaves(room_id)

    response = await alice.set_state(room_id, "m.room.name", {"name": "x"})

    assert refused(response) == FORBIDDEN


async def test_without_a_state_key_in_the_path_it_is_empty(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    for path in ("state/org.example", "state/org.example/"):
        assert (await alice.put(f"/rooms/{quoted(room_id)}/{path}", {"p": path})).status == 200
        assert await rooms.content(room_id, "org.example") == {"p": path}


async def test_a_state_key_may_be_any_text(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    await alice.sets(room_id, "org.example", {"a": 1}, "ключ / @ ?")

    assert await rooms.content(room_id, "org.example", "ключ / @ ?") == {"a": 1}


@pytest.mark.parametrize(
    ("type", "state_key", "content", "expected"),
    [
        ("m.room.create", "", {}, FORBIDDEN),
        ("org.example", "@bob:hs", {}, FORBIDDEN),
        ("org.example", "k" * 256, {}, (413, "M_TOO_LARGE")),
        ("t" * 256, "", {}, (413, "M_TOO_LARGE")),
        ("org.example", "", {"a": 1.1}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"ban": "50"}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"ban": True}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"ban": None}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"users": {"@bob:hs": "1"}}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"users": ["@bob:hs"]}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"events": {"x": [1]}}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"notifications": {"room": {}}}, (400, "M_BAD_JSON")),
        ("m.room.power_levels", "", {"users": {"bob": 1}}, FORBIDDEN),
        ("m.room.power_levels", "", {"users": {"@alice:hs": 100}}, FORBIDDEN),
        ("m.room.power_levels", "", {"ban": 2**53}, (400, "M_BAD_JSON")),
    ],
)
async def test_state_that_makes_no_sense_is_refused(
    rooms: RoomsServer, type: str, state_key: str, content: dict[str, Any], expected: Any
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    assert refused(await alice.set_state(room_id, type, content, state_key)) == expected


@pytest.mark.parametrize("version", ["1", "9"])
async def test_power_levels_are_integers_in_old_versions_too(
    rooms: RoomsServer, version: str
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(room_version=version)

    response = await alice.set_state(room_id, "m.room.power_levels", {"ban": "50"})

    assert refused(response) == (400, "M_BAD_JSON")


async def test_nobody_raises_themselves(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(
        preset="public_chat", power_level_content_override={"users": {bob.user_id: 50}}
    )
    await bob.joins(room_id)
    levels = await rooms.content(room_id, "m.room.power_levels")

    raised = {**levels, "users": {bob.user_id: 100}}
    response = await bob.set_state(room_id, "m.room.power_levels", raised)

    assert refused(response) == FORBIDDEN


async def test_only_members_set_state(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room()

    assert refused(await bob.set_state(room_id, "m.room.name", {"name": "x"})) == FORBIDDEN
    assert refused(await bob.set_state("!nowhere:hs", "m.room.name", {})) == FORBIDDEN
    assert refused(await bob.set_state("nowhere", "m.room.name", {})) == (400, "M_INVALID_PARAM")
    rooms.person("alice", is_suspended=True)
    suspended = await alice.set_state(room_id, "m.room.name", {"name": "x"})
    assert refused(suspended) == (403, "M_USER_SUSPENDED")


# --- canonical aliases


async def test_a_room_calls_its_aliases_its_own(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    for alias in ("#a:hs", "#b:hs"):
        await alice.put(f"/directory/room/{quoted(alias)}", {"room_id": room_id})

    await alice.sets(
        room_id, "m.room.canonical_alias", {"alias": "#a:hs", "alt_aliases": ["#b:hs"]}
    )
    await alice.sets(room_id, "m.room.canonical_alias", {"alias": None})
    await alice.sets(room_id, "m.room.canonical_alias", {"alias": ""})
    await alice.sets(room_id, "m.room.canonical_alias", {})


BAD_ALIAS = (400, "M_BAD_ALIAS")
INVALID = (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"alias": "#other:hs"}, BAD_ALIAS),
        ({"alias": "#nowhere:hs"}, BAD_ALIAS),
        ({"alias": "#mine:elsewhere.example"}, BAD_ALIAS),
        ({"alt_aliases": ["#mine:hs", "#other:hs"]}, BAD_ALIAS),
        ({"alias": "mine"}, INVALID),
        ({"alias": "#mine"}, INVALID),
        ({"alias": 5}, INVALID),
        ({"alt_aliases": "#mine:hs"}, INVALID),
        ({"alt_aliases": [None]}, INVALID),
        ({"alt_aliases": ["#"]}, INVALID),
        ({"alias": "#" + "a" * 260 + ":hs"}, INVALID),
    ],
)
async def test_a_room_does_not_call_other_aliases_its_own(
    rooms: RoomsServer, content: dict[str, Any], expected: tuple[int, str]
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(room_alias_name="mine")
    await alice.creates_room(room_alias_name="other")

    response = await alice.set_state(room_id, "m.room.canonical_alias", content)

    assert refused(response) == expected


async def test_aliases_that_are_already_there_are_not_looked_at(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(room_alias_name="gone")
    rooms.execute("DELETE FROM room_aliases")

    moved = {"alt_aliases": ["#gone:hs"]}

    assert refused(await alice.set_state(room_id, "m.room.canonical_alias", moved)) == OK
