"""Reading the state of rooms."""

from __future__ import annotations

import pytest

from tests.rooms_fixture import Person, RoomsServer, quoted, refused

FORBIDDEN = (403, "M_FORBIDDEN")


async def name_of(person: Person, room_id: str) -> str:
    response = await person.get(f"/rooms/{quoted(room_id)}/state/m.room.name/")
    assert response.status == 200, response.json
    return str(response.json["name"])


async def test_a_member_reads_the_current_state(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat", name="old")
    await alice.sets(room_id, "m.room.name", {"name": "new"})
    await bob.joins(room_id)

    response = await bob.get(f"/rooms/{quoted(room_id)}/state")

    events = {(e["type"], e["state_key"]): e for e in response.json}
    assert len(events) == len(response.json)
    assert set(events) == {
        ("m.room.create", ""),
        ("m.room.member", alice.user_id),
        ("m.room.member", bob.user_id),
        ("m.room.power_levels", ""),
        ("m.room.join_rules", ""),
        ("m.room.history_visibility", ""),
        ("m.room.guest_access", ""),
        ("m.room.name", ""),
    }
    name = events["m.room.name", ""]
    assert name["content"] == {"name": "new"}
    assert name["room_id"] == room_id
    assert name["sender"] == alice.user_id
    assert name["unsigned"]["prev_content"] == {"name": "old"}
    assert isinstance(name["unsigned"]["age"], int)


async def test_one_state_event_is_read_as_content_or_as_a_whole(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    event_id = await alice.sets(room_id, "org.example", {"a": 1}, "key/1")
    path = f"/rooms/{quoted(room_id)}/state/org.example/{quoted('key/1')}"

    assert (await alice.get(path)).json == {"a": 1}
    assert (await alice.get(f"{path}?format=content")).json == {"a": 1}
    whole = (await alice.get(f"{path}?format=event")).json
    assert whole["event_id"] == event_id
    assert (whole["room_id"], whole["state_key"]) == (room_id, "key/1")
    assert refused(await alice.get(f"{path}?format=poem")) == (400, "M_INVALID_PARAM")


async def test_member_events_are_state_too(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    response = await alice.get(
        f"/rooms/{quoted(room_id)}/state/m.room.member/{quoted(alice.user_id)}"
    )

    assert response.json == {"membership": "join"}


@pytest.mark.parametrize("path", ["org.example", "m.room.name/other", "m.room.member/@no:hs"])
async def test_state_that_is_not_set_is_not_found(rooms: RoomsServer, path: str) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    response = await alice.get(f"/rooms/{quoted(room_id)}/state/{path}")

    assert refused(response) == (404, "M_NOT_FOUND")


async def test_who_left_reads_the_state_of_that_time(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat", name="then")
    await bob.joins(room_id)
    await bob.leaves(room_id)
    await alice.sets(room_id, "m.room.name", {"name": "now"})
    await alice.sets(room_id, "m.room.topic", {"topic": "secret"})

    assert await name_of(bob, room_id) == "then"
    assert await name_of(alice, room_id) == "now"
    topic = await bob.get(f"/rooms/{quoted(room_id)}/state/m.room.topic")
    assert refused(topic) == (404, "M_NOT_FOUND")
    response = await bob.get(f"/rooms/{quoted(room_id)}/state")
    contents = {(e["type"], e["state_key"]): e["content"] for e in response.json}
    assert contents["m.room.name", ""] == {"name": "then"}
    assert contents["m.room.member", bob.user_id] == {"membership": "leave"}
    assert ("m.room.topic", "") not in contents


async def test_who_never_was_in_a_room_reads_nothing(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(invite=[bob.user_id], name="x")
    path = f"/rooms/{quoted(room_id)}/state"

    for person in (bob, rooms.person("eve")):
        assert refused(await person.get(path)) == FORBIDDEN
        assert refused(await person.get(f"{path}/m.room.name")) == FORBIDDEN
    assert refused(await alice.get(f"/rooms/{quoted('!no:hs')}/state")) == FORBIDDEN


async def test_everybody_reads_a_room_that_is_open_to_the_world(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    guest = rooms.person("guest", is_guest=True)
    room_id = await alice.creates_room(
        name="window",
        initial_state=[
            {
                "type": "m.room.history_visibility",
                "content": {"history_visibility": "world_readable"},
            }
        ],
    )

    assert await name_of(guest, room_id) == "window"


async def test_redacted_state_shows_nothing(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    event_id = await alice.sets(room_id, "m.room.name", {"name": "rude"})

    await alice.redact(room_id, event_id)

    whole = await alice.get(f"/rooms/{quoted(room_id)}/state/m.room.name?format=event")
    assert whole.json["content"] == {}
    assert whole.json["unsigned"]["redacted_because"]["type"] == "m.room.redaction"
