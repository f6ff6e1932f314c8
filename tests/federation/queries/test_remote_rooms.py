"""Users look for rooms of another server: its directory, spaces that reach there, summaries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from federation.queries.remote_times import RemoteTimes
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden, InvalidParam, NotFound, UnableToRetrieve
from homeserver.domain.identifiers import RoomId, ServerName, UserId
from homeserver.ports.federation.remote_times import TimedEvent
from homeserver.rooms.actor import NewEvent
from homeserver.services.rooms.published_rooms import DirectoryRequest
from homeserver.services.rooms.room_hierarchy import HierarchyPage, HierarchyRequest
from tests.federation.queries.conftest import Town
from tests.federation.resident import BOB, OTHER
from tests.federation.transport.internet import Received, Reply
from tests.rooms_fixture import SERVER, Person

ROOM = RoomId(f"!room:{SERVER}")


# --- directories


async def test_the_directory_of_another_server_is_listed_in_pages(town: Town) -> None:
    town.open()
    alice = town.there.person("alice")
    rooms = [await alice.creates_room(name=f"Room {n}", visibility="public") for n in range(3)]
    first = await town.here.published_rooms.list(DirectoryRequest(limit=2, server=SERVER))
    second = await town.here.published_rooms.list(
        DirectoryRequest(limit=2, server=SERVER, since=first.next_batch)
    )
    listed = [room.room_id for room in first.rooms + second.rooms]
    assert (sorted(listed), first.total) == (sorted(rooms), 3)
    found = await town.here.published_rooms.list(
        DirectoryRequest(search_term="room 1", room_types=(None,), server=SERVER)
    )
    assert [room.name for room in found.rooms] == ["Room 1"]


async def test_what_makes_no_sense_in_a_directory_is_left_out(town: Town) -> None:
    sound = {"room_id": ROOM, "num_joined_members": 5, "name": 7, "world_readable": "yes"}
    chunk: list[Any] = [{"room_id": 3}, "room", sound, {"name": "x"}]
    body = {"chunk": chunk, "total_room_count_estimate": "many", "next_batch": 5}
    town.answers(Reply(body=json.dumps(body).encode()))
    listing = await town.here.published_rooms.list(DirectoryRequest(server=SERVER))
    (room,) = listing.rooms
    assert (room.room_id, room.num_joined_members, room.name) == (ROOM, 5, None)
    assert not room.world_readable
    assert (listing.total, listing.next_batch) == (1, None)


async def test_a_directory_that_cannot_be_had(town: Town) -> None:
    listed = town.here.published_rooms.list
    with pytest.raises(UnableToRetrieve):
        await listed(DirectoryRequest(server="nowhere.example"))
    with pytest.raises(Forbidden):
        await listed(DirectoryRequest(server="denied.example"))
    with pytest.raises(InvalidParam):
        await listed(DirectoryRequest(server="not a server"))
    town.answers(Reply(403, b'{"errcode":"M_FORBIDDEN","error":"no"}'))
    with pytest.raises(Forbidden):
        await listed(DirectoryRequest(server=SERVER))


# --- spaces


async def space_here(town: Town, children: Mapping[RoomId, JsonObject]) -> RoomId:
    """A space of Bob's on the server that asks."""
    actor, _, committed = town.here.directory.create(
        "11",
        NewEvent("m.room.create", BOB, {"room_version": "11", "type": "m.space"}, ""),
        lambda room_id: [
            NewEvent("m.room.member", BOB, {"membership": "join"}, BOB),
            *(
                NewEvent("m.space.child", BOB, {"via": [SERVER], **content}, room)
                for room, content in children.items()
            ),
        ],
        room_id=RoomId(f"!space:{OTHER}"),
        published=False,
    )
    await committed
    return actor.view.room_id


async def page(town: Town, root: RoomId, user: UserId = BOB, **more: Any) -> HierarchyPage:
    return await town.here.hierarchy.page(root, user, HierarchyRequest(**more))


def names(page: HierarchyPage) -> list[str | None]:
    return [room.summary.name for room in page.rooms]


async def space_there(alice: Person, name: str, *children: RoomId) -> RoomId:
    space = await alice.creates_room(
        name=name, preset="public_chat", creation_content={"type": "m.space"}
    )
    for child in children:
        await alice.sets(space, "m.space.child", {"via": [SERVER]}, child)
    return space


async def test_a_space_goes_on_in_rooms_of_another_server(town: Town) -> None:
    town.open()
    alice = town.there.person("alice")
    leaf = await alice.creates_room(name="Leaf", preset="public_chat")
    secret = await alice.creates_room(name="Secret", preset="private_chat")
    branch = await space_there(alice, "Branch", leaf, secret)
    root = await space_here(town, {branch: {}, secret: {}})
    found = await page(town, root)
    assert names(found) == [None, "Branch", "Leaf"]
    assert {c.event.state_key for c in found.rooms[1].children} == {leaf, secret}


async def test_a_space_of_another_server_is_walked_from_its_root(town: Town) -> None:
    town.open()
    alice = town.there.person("alice")
    rooms = [await alice.creates_room(name=f"{n}", preset="public_chat") for n in range(3)]
    root = await space_there(alice, "Root", *rooms)
    # Since version 12 the ID of a room does not say whom to ask: a space that names a server does.
    top = await space_here(town, {root: {}})
    first = await page(town, top, limit=3)
    second = await page(town, top, limit=3, since=first.next_batch)
    assert first.next_batch is not None
    assert set(names(first) + names(second)) == {None, "Root", "0", "1", "2"}


async def test_what_another_server_tells_of_a_space_is_remembered(town: Town) -> None:
    told = {
        "room": {"room_id": ROOM, "room_type": "m.space", "name": "Told", "children_state": []},
        "children": [],
        "inaccessible_children": [],
    }
    town.answers(Reply(body=json.dumps(told).encode()))
    for _ in range(2):
        assert names(await page(town, ROOM)) == ["Told"]
    asked = [r for r in town.received if "/hierarchy/" in r.target]
    assert len(asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, b'{"errcode":"M_NOT_FOUND","error":"no"}'),
        Reply(body=b'{"room":{"room_id":"!another:hs","children_state":[]}}'),
        Reply(body=b'{"room":5}'),
        Reply(body=b'{"room":{"room_id":"!room:hs","join_rule":"invite","children_state":[]}}'),
    ],
)
async def test_rooms_that_others_do_not_describe_to_the_user_are_not_shown(
    town: Town, reply: Reply
) -> None:
    town.answers(reply)
    with pytest.raises(Forbidden):
        await page(town, ROOM)
    with pytest.raises(NotFound):
        await town.here.summaries.of(ROOM, BOB, [SERVER])


async def test_children_that_make_no_sense_are_left_out(town: Town) -> None:
    child = {
        "type": "m.space.child",
        "state_key": "!child:hs",
        "content": {"via": [SERVER, "not a server"]},
        "sender": "@a:hs",
        "origin_server_ts": 5,
    }
    broken: list[Any] = [5, {**child, "state_key": "x"}, {**child, "origin_server_ts": "x"}]
    broken += [{**child, "type": "m.room.topic"}, {**child, "content": {}}]

    def answer(received: Received) -> Reply:
        if "room%3Ahs" not in received.target:
            return Reply(404, b'{"errcode":"M_NOT_FOUND"}')
        room = {"room_id": ROOM, "room_type": "m.space", "children_state": [*broken, child]}
        children = [{"room_id": "!child:hs", "name": "Child"}]
        return Reply(body=json.dumps({"room": room, "children": children}).encode())

    town.answers(answer)
    found = await page(town, ROOM)
    assert names(found) == [None, "Child"]
    assert [c.event.state_key for c in found.rooms[0].children] == ["!child:hs"]


# --- summaries


async def test_the_summary_of_a_room_of_another_server(town: Town) -> None:
    town.open()
    alice = town.there.person("alice")
    room_id = await alice.creates_room(name="Far", preset="public_chat")
    seen = await town.here.summaries.of(room_id, BOB, [SERVER])
    assert (seen.summary.name, seen.membership) == ("Far", "leave")
    with pytest.raises(NotFound):
        await town.here.summaries.of(RoomId("!nowhere"), BOB)


# --- events by their time


async def test_events_are_asked_for_by_their_time(town: Town) -> None:
    town.open()
    alice = town.there.person("alice")
    room_id = await town.there.shared_room(alice)
    town.there.clock.advance(10)
    event_id = await alice.sends(room_id, "hello")
    ts = (await town.there.timeline(room_id))[-1].event.origin_server_ts
    times = RemoteTimes(town.client, OTHER)
    servers = [OTHER, ServerName("nowhere.example"), SERVER]
    found = await times.nearest(room_id, servers, ts - 1, backwards=False)
    assert found == TimedEvent(event_id, ts)
    assert await times.nearest(room_id, servers, ts + 1, backwards=False) is None
    assert await times.nearest(room_id, [OTHER], ts, backwards=False) is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"event_id": "nonsense", "origin_server_ts": 5},
        {"event_id": "$event", "origin_server_ts": "5"},
        {"event_id": "$event", "origin_server_ts": 4},
    ],
)
async def test_answers_about_a_time_that_make_no_sense_are_none(
    town: Town, told: JsonObject
) -> None:
    town.answers(Reply(body=json.dumps(told).encode()))
    times = RemoteTimes(town.client, OTHER)
    assert await times.nearest(ROOM, [SERVER], 5, backwards=False) is None
