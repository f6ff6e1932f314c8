"""/relations and /threads."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from homeserver.domain.canonical_json import JsonObject
from tests.rooms_fixture import Person, quoted, refused
from tests.sync_fixture import a_room, device, ids, redacts, relates, said

V1 = "/_matrix/client/v1"


async def related(
    person: Person, room: str, target: str, kind: str = "", **query: Any
) -> JsonObject:
    asked = urlencode({name.rstrip("_"): value for name, value in query.items()})
    path = f"{V1}/rooms/{quoted(room)}/relations/{quoted(target)}{kind}?{asked}"
    response = await person.get(path)
    assert response.status == 200, response.json
    answer: JsonObject = response.json
    return answer


async def threads(person: Person, room: str, **query: Any) -> JsonObject:
    asked = urlencode({name.rstrip("_"): value for name, value in query.items()})
    response = await person.get(f"{V1}/rooms/{quoted(room)}/threads?{asked}")
    assert response.status == 200, response.json
    answer: JsonObject = response.json
    return answer


async def like(person: Person, room: str, target: str, key: str = "👍") -> str:
    return await said(person, room, relates("m.annotation", target, key=key), "m.reaction")


# --- /relations


async def test_related_events_come_newest_first(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    target = await alice.sends(room, "target")
    reply = await said(bob, room, relates("m.thread", target))
    reaction = await like(bob, room, target)
    reference = await said(alice, room, relates("m.reference", target), "org.example.ref")
    answer = await related(bob, room, target)
    assert ids(answer["chunk"]) == [reference, reaction, reply]
    assert all(event["room_id"] == room for event in answer["chunk"])
    assert "next_batch" not in answer
    assert "prev_batch" not in answer
    forwards = await related(bob, room, target, dir="f")
    assert ids(forwards["chunk"]) == [reply, reaction, reference]


async def test_related_events_of_a_kind(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    target = await alice.sends(room, "target")
    reply = await said(bob, room, relates("m.thread", target))
    await said(bob, room, relates("m.thread", target), "m.sticker")
    reaction = await like(bob, room, target)
    assert ids((await related(bob, room, target, "/m.annotation"))["chunk"]) == [reaction]
    threaded = await related(bob, room, target, "/m.thread/m.room.message")
    assert ids(threaded["chunk"]) == [reply]
    assert (await related(bob, room, target, "/m.replace"))["chunk"] == []


@pytest.mark.parametrize("direction", ["b", "f"])
async def test_pages_of_related_events(alice: Person, direction: str) -> None:
    room = await a_room(alice)
    target = await alice.sends(room, "target")
    replies = [await said(alice, room, relates("m.thread", target)) for _ in range(7)]
    found: list[str] = []
    token: dict[str, str] = {}
    for _ in range(10):
        page = await related(alice, room, target, limit=3, dir=direction, **token)
        found += ids(page["chunk"])
        if "next_batch" not in page:
            break
        token = {"from_": page["next_batch"]}
    assert found == (replies if direction == "f" else replies[::-1])


async def test_related_events_between_tokens_of_a_sync(alice: Person) -> None:
    room = await a_room(alice)
    target = await alice.sends(room, "target")
    await said(alice, room, relates("m.thread", target))
    since = (await device(alice)).since
    between = await said(alice, room, relates("m.thread", target))
    until = (await device(alice)).since
    await said(alice, room, relates("m.thread", target))
    page = await related(alice, room, target, from_=until, to=since)
    assert ids(page["chunk"]) == [between]


async def test_relations_are_followed_when_asked_for(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    root = await alice.sends(room, "root")
    reply = await said(bob, room, relates("m.thread", root))
    reaction = await like(alice, room, reply)
    assert ids((await related(alice, room, root))["chunk"]) == [reply]
    answer = await related(alice, room, root, recurse="true")
    assert ids(answer["chunk"]) == [reaction, reply]
    assert answer["recursion_depth"] >= 3
    assert "recursion_depth" not in await related(alice, room, root)


async def test_redacted_events_relate_to_nothing(alice: Person) -> None:
    room = await a_room(alice)
    target = await alice.sends(room, "target")
    reply = await said(alice, room, relates("m.thread", target))
    await redacts(alice, room, reply)
    assert (await related(alice, room, target))["chunk"] == []


async def test_events_of_other_rooms_are_not_related(alice: Person, bob: Person) -> None:
    room, other = await a_room(alice, bob), await a_room(alice)
    target = await alice.sends(room, "target")
    await said(alice, other, relates("m.thread", target))
    assert (await related(bob, room, target))["chunk"] == []
    assert (await threads(alice, other))["chunk"] == []


async def test_who_left_sees_what_was_related_until_then(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    target = await alice.sends(room, "target")
    seen = await said(alice, room, relates("m.thread", target))
    await bob.leaves(room)
    await said(alice, room, relates("m.thread", target))
    assert ids((await related(bob, room, target))["chunk"]) == [seen]
    (root,) = (await threads(bob, room))["chunk"]
    thread = root["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, seen)


async def test_what_cannot_be_seen_has_no_relations(alice: Person, bob: Person) -> None:
    room = await alice.creates_room(preset="private_chat")
    target = await alice.sends(room, "target")
    for person, where, event in (
        (bob, room, target),
        (alice, room, "$nothing"),
        (alice, "!nowhere:hs", target),
    ):
        path = f"{V1}/rooms/{quoted(where)}/relations/{quoted(event)}"
        assert refused(await person.get(path)) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "dir=x", "from=x", "to=t--1", "recurse=2"])
async def test_relations_that_cannot_be_asked_for(alice: Person, query: str) -> None:
    room = await a_room(alice)
    target = await alice.sends(room, "target")
    path = f"{V1}/rooms/{quoted(room)}/relations/{quoted(target)}?{query}"
    assert refused(await alice.get(path)) == (400, "M_INVALID_PARAM")


# --- /threads


async def test_threads_are_listed_by_their_latest_event(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    roots = [await alice.sends(room, str(n)) for n in range(3)]
    for root in (roots[1], roots[0], roots[2], roots[1]):
        await said(bob, room, relates("m.thread", root))
    answer = await threads(alice, room)
    assert ids(answer["chunk"]) == [roots[1], roots[2], roots[0]]
    summary = answer["chunk"][0]["unsigned"]["m.relations"]["m.thread"]
    assert (summary["count"], summary["current_user_participated"]) == (2, True)
    assert "next_batch" not in answer


async def test_threads_in_which_one_took_part(alice: Person, bob: Person, carol: Person) -> None:
    room = await a_room(alice, bob, carol)
    began, spoke, other = [await p.sends(room, "root") for p in (alice, bob, bob)]
    for person, root in ((bob, began), (alice, spoke), (bob, other)):
        await said(person, room, relates("m.thread", root))
    mine = await threads(alice, room, include="participated")
    assert ids(mine["chunk"]) == [spoke, began]
    assert (await threads(carol, room, include="participated"))["chunk"] == []
    assert len((await threads(carol, room, include="all"))["chunk"]) == 3


async def test_pages_of_threads(alice: Person) -> None:
    room = await a_room(alice)
    roots = [await alice.sends(room, str(n)) for n in range(5)]
    for root in roots:
        await said(alice, room, relates("m.thread", root))
    found: list[str] = []
    token: dict[str, str] = {}
    for _ in range(9):
        page = await threads(alice, room, limit=2, **token)
        found += ids(page["chunk"])
        if "next_batch" not in page:
            break
        token = {"from_": page["next_batch"]}
    assert found == roots[::-1]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "include=mine", "from=x", "from=-1", "from=" + "9" * 40]
)
async def test_threads_that_cannot_be_asked_for(alice: Person, query: str) -> None:
    room = await a_room(alice)
    response = await alice.get(f"{V1}/rooms/{quoted(room)}/threads?{query}")
    assert refused(response) == (400, "M_INVALID_PARAM")
