"""The directory of published rooms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rooms_fixture import Person, RoomsServer, quoted, refused

OK = (200, "no error")


async def search(person: Person, **body: Any) -> list[str]:
    """The names of the published rooms that match, or the IDs of those without a name."""
    response = await person.post("/publicRooms", body)
    assert response.status == 200, response.json
    return [room.get("name", room["room_id"]) for room in response.json["chunk"]]


async def matching(person: Person, term: str) -> list[str]:
    return await search(person, filter={"generic_search_term": term})


async def test_a_published_room_is_described(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(
        visibility="public",
        name="The Pub",
        topic="Ale",
        room_alias_name="pub",
        creation_content={"type": "m.space"},
        initial_state=[
            {"type": "m.room.avatar", "content": {"url": "mxc://hs/a"}},
            {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}},
            {
                "type": "m.room.history_visibility",
                "content": {"history_visibility": "world_readable"},
            },
        ],
    )

    response = await rooms.client.request("GET", "/_matrix/client/v3/publicRooms")

    assert response.json == {
        "chunk": [
            {
                "room_id": room_id,
                "name": "The Pub",
                "topic": "Ale",
                "avatar_url": "mxc://hs/a",
                "canonical_alias": "#pub:hs",
                "num_joined_members": 1,
                "world_readable": True,
                "guest_can_join": True,
                "join_rule": "public",
                "room_type": "m.space",
            }
        ],
        "total_room_count_estimate": 1,
    }


async def test_the_directory_follows_the_rooms(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(visibility="public", name="one")
    await bob.joins(room_id)
    event_id = await alice.sets(room_id, "m.room.name", {"name": "two"})
    await alice.sets(room_id, "m.room.join_rules", {"join_rule": "knock"})

    (room,) = (await alice.get("/publicRooms")).json["chunk"]
    assert (room["name"], room["num_joined_members"]) == ("two", 2)
    assert room["join_rule"] == "knock"
    assert await matching(alice, "one") == []

    await bob.leaves(room_id)
    await alice.redact(room_id, event_id)
    (room,) = (await alice.get("/publicRooms")).json["chunk"]
    assert room["num_joined_members"] == 1
    assert "name" not in room


async def test_an_empty_room_is_not_listed(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(visibility="public", name="x")
    await alice.leaves(room_id)

    assert await search(alice) == []


async def test_rooms_are_published_and_taken_off(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(name="x")
    path = f"/directory/list/room/{quoted(room_id)}"
    assert (await alice.get(path)).json == {"visibility": "private"}
    assert await search(alice) == []

    assert refused(await alice.put(path)) == OK
    assert (await alice.get(path)).json == {"visibility": "public"}
    assert await search(alice) == ["x"]

    assert refused(await alice.put(path, {"visibility": "private"})) == OK
    assert (await alice.get(path)).json == {"visibility": "private"}
    assert await search(alice) == []


async def test_a_room_stays_published_over_a_restart(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(name="x")
    await alice.put(f"/directory/list/room/{quoted(room_id)}", {"visibility": "public"})

    restarted = await rooms.restart()

    person = restarted.person("alice")
    visibility = await person.get(f"/directory/list/room/{quoted(room_id)}")
    assert visibility.json == {"visibility": "public"}
    assert await search(person) == ["x"]
    await restarted.close()


async def test_not_everybody_publishes_a_room(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    root = rooms.person("root", is_admin=True)
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    path = f"/directory/list/room/{quoted(room_id)}"
    unknown = f"/directory/list/room/{quoted('!nowhere:hs')}"

    assert refused(await bob.put(path)) == (403, "M_FORBIDDEN")
    assert refused(await root.put(path)) == OK
    assert refused(await alice.put(path, {"visibility": "secret"})) == (400, "M_BAD_JSON")
    assert refused(await alice.put(unknown)) == (404, "M_NOT_FOUND")
    assert refused(await alice.get(unknown)) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("garden", ["Garden Club"]),
        ("GARDEN", ["Garden Club"]),
        ("den cl", ["Garden Club"]),
        ("rosen", ["Garden Club"]),
        ("#club", ["Garden Club"]),
        ("茶馆", ["老茶馆"]),
        ("茶", ["老茶馆"]),
        ("ÜBER", ["Straße über Land"]),
        ("STRASSE", ["Straße über Land"]),
        ("100%", ["100% sure_thing"]),
        ("0%s", []),
        ("sure_t", ["100% sure_thing"]),
        ("sureXt", []),
        ("  garden ", ["Garden Club"]),
        ("nothing like it", []),
        ("\\", []),
    ],
)
async def test_rooms_are_found_by_parts_of_name_topic_and_alias(
    rooms: RoomsServer, term: str, found: list[str]
) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(
        visibility="public", name="Garden Club", topic="Rosen und mehr", room_alias_name="club"
    )
    for name in ("老茶馆", "Straße über Land", "100% sure_thing"):
        await alice.creates_room(visibility="public", name=name)

    assert await matching(alice, term) == found


async def test_rooms_are_listed_by_type(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(visibility="public", name="room")
    for type in ("m.space", "org.example"):
        await alice.creates_room(visibility="public", name=type, creation_content={"type": type})

    async def of(types: Any) -> list[str]:
        return sorted(await search(alice, filter={"room_types": types}))

    assert await of([None]) == ["room"]
    assert await of(["m.space"]) == ["m.space"]
    assert await of([None, "org.example"]) == ["org.example", "room"]
    assert await of([]) == []
    assert await of(None) == ["m.space", "org.example", "room"]


async def test_the_directory_is_paged_both_ways_largest_rooms_first(rooms: RoomsServer) -> None:
    people = [rooms.person(f"user{n}") for n in range(4)]
    names = []
    for members in range(1, 5):
        for twin in "ab":
            name = f"{members}{twin}"
            room_id = await people[0].creates_room(visibility="public", name=name)
            for person in people[1:members]:
                await person.joins(room_id)
            names.append(name)
    everything = await search(people[0])
    assert sorted(everything) == names
    assert [name[0] for name in everything] == list("44332211")

    forwards, pages = [], []
    token = None
    while True:
        body = {"limit": 3} if token is None else {"limit": 3, "since": token}
        page = (await people[0].post("/publicRooms", body)).json
        assert page["total_room_count_estimate"] == 8
        forwards += [room["name"] for room in page["chunk"]]
        pages.append(page)
        token = page.get("next_batch")
        if token is None:
            break

    assert forwards == everything
    assert [len(page["chunk"]) for page in pages] == [3, 3, 2]
    assert "prev_batch" not in pages[0]
    back = (await people[0].get(f"/publicRooms?limit=3&since={pages[2]['prev_batch']}")).json
    assert [room["name"] for room in back["chunk"]] == everything[3:6]
    first = (await people[0].get(f"/publicRooms?limit=3&since={back['prev_batch']}")).json
    assert [room["name"] for room in first["chunk"]] == everything[:3]
    assert "prev_batch" not in first
    assert "next_batch" in first


@pytest.mark.parametrize(
    "token", ["x", "n", "n1", "n1_", "q1_2", "n1_2_3", "n-1_2", "n1_2 ", "n٣_2"]
)
async def test_tokens_that_are_none_are_refused(rooms: RoomsServer, token: str) -> None:
    alice = rooms.person("alice")

    response = await alice.get(f"/publicRooms?since={quoted(token)}")

    assert refused(response) == (400, "M_INVALID_PARAM")


async def test_only_this_servers_directory_is_known(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(visibility="public", name="x")

    assert (await alice.get("/publicRooms?server=hs")).json["total_room_count_estimate"] == 1
    assert (await alice.get("/publicRooms?server=elsewhere.example")).status == 502


@pytest.mark.parametrize(
    "body",
    [
        {"limit": "3"},
        {"since": 3},
        {"filter": "x"},
        {"filter": {"generic_search_term": 3}},
        {"filter": {"room_types": "m.space"}},
    ],
)
async def test_a_malformed_search_is_refused(rooms: RoomsServer, body: dict[str, Any]) -> None:
    response = await rooms.person("alice").post("/publicRooms", body)

    assert refused(response) == (400, "M_BAD_JSON")


async def test_networks_of_bridges_list_nothing(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(visibility="public")

    assert await search(alice, third_party_instance_id="irc") == []
    both = {"third_party_instance_id": "irc", "include_all_networks": True}
    assert refused(await alice.post("/publicRooms", both)) == (400, "M_INVALID_PARAM")


async def test_limits_are_kept_within_reason(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    for _ in range(3):
        await alice.creates_room(visibility="public")

    assert len(await search(alice, limit=0)) == 1
    assert len(await search(alice, limit=-5)) == 1
    assert len(await search(alice, limit=10**9)) == 3
