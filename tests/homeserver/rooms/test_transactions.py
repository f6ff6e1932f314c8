"""Transaction identifiers: a repeated request gets the first one's event."""

from __future__ import annotations

from homeserver.rooms.transactions import READ_BACK
from tests.deferreds import together
from tests.rooms_fixture import RoomsServer, quoted


async def test_a_repeated_request_gets_the_same_event(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    first = await alice.send(room_id, {"body": "one"}, txn_id="t")
    second = await alice.send(room_id, {"body": "another body does not matter"}, txn_id="t")

    assert (second.status, second.json) == (200, first.json)
    bodies = [e.event.content.get("body") for e in await rooms.timeline(room_id)]
    assert bodies.count("one") == 1
    assert len(bodies) == len(await rooms.timeline(room_id))


async def test_requests_repeated_while_the_first_runs_wait_for_it(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    before = len(await rooms.timeline(room_id))

    answers = await together(*(alice.send(room_id, {"body": "x"}, txn_id="t") for _ in range(5)))

    assert len({answer.json["event_id"] for answer in answers}) == 1
    assert len(await rooms.timeline(room_id)) == before + 1


async def test_a_request_repeated_after_a_restart_gets_the_same_event(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    first = await alice.send(room_id, {"body": "x"}, txn_id="t")

    restarted = await rooms.restart()
    second = await restarted.person("alice").send(room_id, {"body": "x"}, txn_id="t")

    assert second.json == first.json
    await restarted.close()


async def test_a_request_repeated_very_late_gets_the_same_event(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    first = await alice.send(room_id, {"body": "x"}, txn_id="t")
    for n in range(READ_BACK):
        await alice.send(room_id, {"body": "x"}, txn_id=f"later{n}")

    restarted = await rooms.restart()
    person = restarted.person("alice")
    second = await person.send(room_id, {"body": "x"}, txn_id="t")
    await person.sends(room_id, "and the room goes on")

    assert second.json == first.json
    await restarted.close()


async def test_devices_rooms_types_and_users_have_ids_of_their_own(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    tablet = rooms.person("alice", "TABLET")
    room_id = await alice.creates_room(preset="public_chat")
    other_room = await alice.creates_room()
    await bob.joins(room_id)

    answers = [
        await alice.send(room_id, {}, txn_id="t"),
        await tablet.send(room_id, {}, txn_id="t"),
        await bob.send(room_id, {}, txn_id="t"),
        await alice.send(other_room, {}, txn_id="t"),
        await alice.send(room_id, {}, type="m.sticker", txn_id="t"),
    ]

    assert len({answer.json["event_id"] for answer in answers}) == 5


async def test_an_id_whose_request_was_refused_can_be_used_again(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")

    refused = await bob.send(room_id, {"body": "x"}, txn_id="t")
    await bob.joins(room_id)
    accepted = await bob.send(room_id, {"body": "x"}, txn_id="t")

    assert (refused.status, accepted.status) == (403, 200)


async def test_a_repeated_redaction_gets_the_same_event(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    said = await alice.sends(room_id, "oops")

    first = await alice.redact(room_id, said, txn_id="t")
    second = await alice.redact(room_id, said, txn_id="t")

    assert (first.status, second.json) == (200, first.json)


async def test_a_transaction_id_may_be_any_text(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    first = await alice.send(room_id, {}, txn_id=quoted("m/1 ü"))
    second = await alice.send(room_id, {}, txn_id=quoted("m/1 ü"))

    assert (first.status, second.json) == (200, first.json)
