"""Rooms as they are written and read back, on both engines."""

from __future__ import annotations

from tests.rooms_fixture import RoomsServer


async def test_a_room_is_read_back_as_it_was_written(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat", name="one")
    await bob.joins(room_id)
    await alice.sets(room_id, "m.room.name", {"name": "two"})
    said = await bob.sends(room_id, "你好 \u0000")
    oops = await bob.sends(room_id, "oops")
    await bob.redact(room_id, oops)
    before = (await rooms.actor(room_id)).view

    restarted = await rooms.restart()
    after = (await restarted.actor(room_id)).view

    assert [(e.event, e.order, e.ordinal, e.redacted_by) for e in after.tail] == [
        (e.event, e.order, e.ordinal, e.redacted_by) for e in before.tail
    ]
    assert {k: e.event for k, e in after.state.items()} == {
        k: e.event for k, e in before.state.items()
    }
    assert after.members == before.members
    by_id = {e.event.event_id: e.event.content for e in after.tail}
    assert (by_id[said]["body"], by_id[oops]) == ("你好 \u0000", {})
    await restarted.close()


async def test_state_is_known_at_every_position(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    expected = []
    for name in ("one", "two", "three"):
        event_id = await alice.sets(room_id, "m.room.name", {"name": name})
        expected.append((rooms.log.published[0], event_id))
        await alice.sends(room_id, "in between")
    nid = (await rooms.actor(room_id)).view.nid

    for position, event_id in expected:
        for later in (position, position + 1):
            spans = await rooms.room_store.state_at(nid, later, ["m.room.name"])
            events = await rooms.events.fetch(span.event_nid for span in spans)
            assert [e.event.event_id for e in events.values()] == [event_id]
    first = expected[0][0]
    assert await rooms.room_store.state_at(nid, first - 1, ["m.room.name"]) == []


async def test_state_that_changes_within_one_batch_has_one_span_each(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room(room_version="10")
    await alice.post(f"/rooms/{room_id}/upgrade", {"new_version": "11"})

    rows = rooms.rows("SELECT count(*) FROM state_intervals WHERE to_position <= from_position")
    current = rooms.rows(
        "SELECT room_nid, type, state_key FROM state_intervals"
        " WHERE to_position = 9223372036854775807"
    )

    assert rows == [(0,)]
    assert len(current) == len(set(current))


async def test_a_transaction_that_was_used_long_ago_is_found(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    first = await alice.send(room_id, {"body": "x"}, txn_id="t")
    for n in range(100):
        await alice.send(room_id, {"body": "x"}, txn_id=f"later{n}")

    restarted = await rooms.restart()
    again = await restarted.person("alice").send(room_id, {"body": "x"}, txn_id="t")

    assert again.json == first.json
    await restarted.close()


async def test_texts_that_a_database_cannot_hold_are_refused_or_kept_as_they_are(
    rooms: RoomsServer,
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat", name="a\0b", topic="\0")
    member = {"membership": "join", "displayname": "B\0b"}
    await bob.sets(room_id, "m.room.member", member, bob.user_id)
    key = {"rel_type": "m.annotation", "event_id": "$e", "key": "\0"}
    thread = {"rel_type": "m.thread", "event_id": "$\0"}

    answers = [
        await alice.send(room_id, {}, type="a%00b"),
        await alice.send(room_id, {}, txn_id="a%00b"),
        await alice.set_state(room_id, "org.example", {}, "a\0b"),
        await alice.send(room_id, {"m.relates_to": key}, type="m.reaction"),
        await alice.post("/publicRooms", {"filter": {"generic_search_term": "\0"}}),
        await alice.send(room_id, {"m.relates_to": thread}),
    ]
    await bob.leaves(room_id)
    left = await bob.get(f"/rooms/{room_id}/state/a%00b/c%00d")

    assert [answer.status for answer in answers[:5]] == [400, 400, 400, 400, 200]
    assert answers[5].status in (200, 400)
    assert left.status == 404
    assert await rooms.content(room_id, "m.room.name") == {"name": "a\0b"}
    await alice.sends(room_id, "the room goes on")


async def test_a_redacted_member_event_names_nobody(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    rude = {"membership": "join", "displayname": "Rude", "avatar_url": "mxc://hs/rude"}
    await bob.sets(room_id, "m.room.member", {**rude, "displayname": "Bob"}, bob.user_id)
    named = await bob.sets(room_id, "m.room.member", rude, bob.user_id)
    path = f"/rooms/{room_id}/joined_members"
    assert (await alice.get(path)).json["joined"][bob.user_id]["display_name"] == "Rude"

    await alice.redact(room_id, named)

    assert (await alice.get(path)).json["joined"][bob.user_id] == {}
    view = (await rooms.actor(room_id)).view
    assert view.is_joined(bob.user_id)
    assert view.members[bob.user_id].display_name is None


async def test_a_redacted_member_event_of_the_past_leaves_the_present_name(
    rooms: RoomsServer,
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    join = {"membership": "join", "displayname": "Rude"}
    rude = await bob.sets(room_id, "m.room.member", join, bob.user_id)
    await bob.sets(room_id, "m.room.member", {**join, "displayname": "Bob"}, bob.user_id)

    await alice.redact(room_id, rude)

    joined = (await alice.get(f"/rooms/{room_id}/joined_members")).json["joined"]
    assert joined[bob.user_id] == {"display_name": "Bob"}
