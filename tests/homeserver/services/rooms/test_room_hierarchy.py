"""Walking the tree of a space."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.identifiers import RoomId
from tests.rooms_fixture import V1, Person, RoomsServer, quoted, refused

SPACE = {"type": "m.space"}


async def add(owner: Person, space: str, child: str, **content: Any) -> None:
    await owner.sets(space, "m.space.child", {"via": ["hs"], **content}, child)


async def a_space(owner: Person, name: str, **body: Any) -> RoomId:
    return await owner.creates_room(preset="public_chat", name=name, creation_content=SPACE, **body)


async def a_room(owner: Person, name: str, **body: Any) -> RoomId:
    return await owner.creates_room(**{"preset": "public_chat", "name": name, **body})


async def page(person: Person, space: str, query: str = "") -> dict[str, Any]:
    response = await person.get(f"{V1}/rooms/{quoted(space)}/hierarchy{query}")
    assert response.status == 200, response.json
    answer: dict[str, Any] = response.json
    return answer


async def names(person: Person, space: str, query: str = "") -> list[str]:
    return [room["name"] for room in (await page(person, space, query))["rooms"]]


async def a_tree(alice: Person) -> RoomId:
    """A space with a space in it and rooms in both."""
    root, inner = await a_space(alice, "root"), await a_space(alice, "inner")
    leaves = {name: await a_room(alice, name) for name in ("a", "b", "c")}
    await add(alice, root, leaves["a"], order="1", suggested=True)
    await add(alice, root, inner, order="2", suggested=True)
    await add(alice, root, leaves["c"], order="3")
    await add(alice, inner, leaves["b"])
    return root


async def test_the_tree_is_walked_depth_first(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    root = await a_tree(alice)

    assert await names(bob, root) == ["root", "a", "inner", "b", "c"]


async def test_a_room_is_described_with_its_children(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    root, leaf = await a_space(alice, "root", topic="All"), await a_room(alice, "leaf")
    await add(alice, root, leaf, suggested=True)

    (space, room) = (await page(alice, root))["rooms"]

    assert space["children_state"] == [
        {
            "type": "m.space.child",
            "state_key": leaf,
            "content": {"via": ["hs"], "suggested": True},
            "sender": alice.user_id,
            "origin_server_ts": rooms.clock.now_ms(),
        }
    ]
    assert (space["room_type"], space["topic"], space["room_version"]) == ("m.space", "All", "12")
    assert room["children_state"] == []
    assert (room["room_id"], room["num_joined_members"], room["join_rule"]) == (leaf, 1, "public")


async def test_depth_is_limited(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    root = await a_tree(alice)

    assert await names(alice, root, "?max_depth=0") == ["root"]
    assert await names(alice, root, "?max_depth=1") == ["root", "a", "inner", "c"]


async def test_only_suggested_rooms_are_listed_on_request(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    root = await a_tree(alice)

    answer = await page(alice, root, "?suggested_only=true")

    assert [room["name"] for room in answer["rooms"]] == ["root", "a", "inner"]
    assert len(answer["rooms"][0]["children_state"]) == 2


async def test_the_tree_is_paged(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    root = await a_tree(alice)

    found, query = [], "?limit=2"
    while True:
        answer = await page(alice, root, query)
        found.append([room["name"] for room in answer["rooms"]])
        if "next_batch" not in answer:
            break
        query = f"?limit=2&from={answer['next_batch']}"

    assert found == [["root", "a"], ["inner", "b"], ["c"]]


@pytest.mark.parametrize(
    "query",
    [
        "?max_depth=-1",
        "?limit=0",
        "?limit=x",
        "?from=x",
        "?from=h1_2",
        "?suggested_only=true&from=TOKEN",
        "?max_depth=3&from=TOKEN",
    ],
)
async def test_requests_that_make_no_sense_are_refused(rooms: RoomsServer, query: str) -> None:
    alice = rooms.person("alice")
    root = await a_tree(alice)
    token = (await page(alice, root, "?limit=1"))["next_batch"]

    response = await alice.get(
        f"{V1}/rooms/{quoted(root)}/hierarchy{query.replace('TOKEN', token)}"
    )

    assert refused(response) == (400, "M_INVALID_PARAM")


async def test_loops_are_broken(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    root, inner = await a_space(alice, "root"), await a_space(alice, "inner")
    await add(alice, root, inner)
    await add(alice, inner, root)
    await add(alice, inner, inner)

    assert await names(alice, root) == ["root", "inner"]


async def test_what_a_user_may_not_know_of_is_left_out(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    root = await a_space(alice, "root")

    def rules(**content: Any) -> dict[str, Any]:
        return {
            "preset": "private_chat",
            "initial_state": [{"type": "m.room.join_rules", "content": content}],
        }

    lobby = await a_room(alice, "lobby", preset="private_chat", invite=[bob.user_id])
    allow = [{"type": "m.room_membership", "room_id": lobby}]
    world = [
        {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
    ]
    children = {
        "private": await a_room(alice, "private", preset="private_chat"),
        "invited": await a_room(alice, "invited", preset="private_chat", invite=[bob.user_id]),
        "lobby": lobby,
        "restricted": await a_room(
            alice, "restricted", **rules(join_rule="restricted", allow=allow)
        ),
        "knockable": await a_room(alice, "knockable", **rules(join_rule="knock")),
        "window": await a_room(alice, "window", preset="private_chat", initial_state=world),
    }
    for name, child in sorted(children.items()):
        await add(alice, root, child, order=name)

    assert await names(bob, root) == ["root", "invited", "knockable", "lobby", "window"]
    await bob.joins(lobby)
    assert await names(bob, root) == [
        "root", "invited", "knockable", "lobby", "restricted", "window"
    ]  # fmt: skip
    assert "private" in await names(alice, root)


async def test_rooms_that_are_not_here_are_left_out(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    root = await a_space(alice, "root")
    await add(alice, root, "!elsewhere:elsewhere.example")
    await add(alice, root, "nonsense")

    answer = await page(alice, root)

    assert [room["name"] for room in answer["rooms"]] == ["root"]
    assert len(answer["rooms"][0]["children_state"]) == 2


async def test_a_child_can_be_taken_out(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    root, leaf = await a_space(alice, "root"), await a_room(alice, "leaf")
    await add(alice, root, leaf)

    await alice.sets(root, "m.space.child", {}, leaf)

    (space,) = (await page(alice, root))["rooms"]
    assert space["children_state"] == []


async def test_only_spaces_have_children(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room, leaf = await a_room(alice, "room"), await a_room(alice, "leaf")
    await add(alice, room, leaf)

    assert await names(alice, room) == ["room"]


async def test_a_space_that_may_not_be_seen_is_refused(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    private = await alice.creates_room(creation_content=SPACE)

    for room_id in (private, "!nowhere:hs"):
        response = await bob.get(f"{V1}/rooms/{quoted(room_id)}/hierarchy")
        assert refused(response) == (403, "M_FORBIDDEN")
