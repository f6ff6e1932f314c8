"""Sending events, reacting, and threads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deferreds import together
from tests.rooms_fixture import Person, RoomsServer, quoted, refused


def reaction(target: str, key: str = "👍") -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}


def in_thread(root: str) -> dict[str, Any]:
    return {"body": "x", "m.relates_to": {"rel_type": "m.thread", "event_id": root}}


async def react(person: Person, room_id: str, target: str, key: str = "👍") -> tuple[int, str]:
    response = await person.send(room_id, reaction(target, key), type="m.reaction")
    return refused(response)


OK = (200, "no error")
DUPLICATE = (400, "M_DUPLICATE_ANNOTATION")


async def test_what_is_sent_arrives_as_it_is(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    content = {"msgtype": "m.text", "body": "你好 \u0000 👋", "nested": {"list": [1, None, True]}}

    response = await alice.send(room_id, content)

    event = (await rooms.timeline(room_id))[-1].event
    assert response.json == {"event_id": event.event_id}
    assert (event.type, event.sender, event.content) == (
        "m.room.message",
        alice.user_id,
        content,
    )
    assert event.origin_server_ts == rooms.clock.now_ms()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"{", (400, "M_NOT_JSON")),
        (b"\xff", (400, "M_NOT_JSON")),
        (b"[]", (400, "M_BAD_JSON")),
        (b'"text"', (400, "M_BAD_JSON")),
        (b'{"level": 0.1}', (400, "M_BAD_JSON")),
        (b'{"level": 9007199254740992}', (400, "M_BAD_JSON")),
        (b'{"body": "%s"}' % (b"x" * 66_000), (413, "M_TOO_LARGE")),
    ],
)
async def test_what_is_no_content_is_refused(
    rooms: RoomsServer, raw: bytes, expected: tuple[int, str]
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    response = await rooms.client.request(
        "PUT",
        f"/_matrix/client/v3/rooms/{quoted(room_id)}/send/m.room.message/t",
        token=alice.token,
        raw_body=raw,
    )

    assert refused(response) == expected


async def test_a_type_has_a_limit(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    assert refused(await alice.send(room_id, {}, type="x" * 256)) == (413, "M_TOO_LARGE")


async def test_only_members_send(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(invite=[bob.user_id])
    forbidden = (403, "M_FORBIDDEN")

    assert refused(await bob.send(room_id, {})) == forbidden
    assert refused(await bob.send("!nowhere:hs", {})) == forbidden
    assert refused(await bob.send("nowhere", {})) == (400, "M_INVALID_PARAM")
    await bob.joins(room_id)
    assert refused(await bob.send(room_id, {})) == OK
    await alice.sets(room_id, "m.room.power_levels", {"events_default": 50})
    assert refused(await bob.send(room_id, {})) == forbidden


@pytest.mark.parametrize("type", ["m.room.create", "m.room.member"])
async def test_what_makes_rooms_and_members_is_no_message(rooms: RoomsServer, type: str) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    response = await alice.send(room_id, {"membership": "join"}, type=type)

    assert refused(response) == (403, "M_FORBIDDEN")


async def test_guests_send_and_suspended_users_do_not(rooms: RoomsServer) -> None:
    guest = rooms.person("guest", is_guest=True)
    eve = rooms.person("eve")
    room_id = await eve.creates_room(
        preset="public_chat",
        initial_state=[{"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}],
    )
    await guest.joins(room_id)

    await guest.sends(room_id, "hello")
    rooms.person("eve", is_suspended=True)

    assert refused(await eve.send(room_id, {})) == (403, "M_USER_SUSPENDED")


async def test_sending_costs_no_query_and_one_transaction(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    await alice.sends(room_id, "the first one asks for the device's transactions")
    rooms.batches.clear()
    reads: list[object] = []
    database = rooms.engine
    read = database.read

    def counted(*args: Any, **kwargs: Any) -> Any:
        reads.append(args)
        return read(*args, **kwargs)

    database.read = counted  # type: ignore[method-assign]
    await alice.sends(room_id, "hello")

    assert (reads, rooms.batches) == ([], [1])


# --- reactions


async def test_one_reacts_once_with_the_same_key(rooms: RoomsServer) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    said = await alice.sends(room_id, "hello")
    other = await alice.sends(room_id, "and hello")

    assert await react(alice, room_id, said) == OK
    assert await react(alice, room_id, said) == DUPLICATE
    assert await react(alice, room_id, said, "👎") == OK
    assert await react(alice, room_id, other) == OK
    assert await react(bob, room_id, said) == OK
    another_type = await alice.send(room_id, reaction(said), type="org.example.review")
    assert refused(another_type) == OK


async def test_reactions_that_are_the_same_at_the_same_time_count_once(
    rooms: RoomsServer,
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    said = await alice.sends(room_id, "hello")

    answers = await together(*(react(alice, room_id, said) for _ in range(4)))

    assert sorted(answers) == [OK, DUPLICATE, DUPLICATE, DUPLICATE]


async def test_a_reaction_that_was_redacted_can_be_sent_again(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    said = await alice.sends(room_id, "hello")
    sent = await alice.send(room_id, reaction(said), type="m.reaction")

    await alice.redact(room_id, sent.json["event_id"])

    assert await react(alice, room_id, said) == OK


async def test_a_repeated_request_to_react_is_not_a_second_reaction(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    said = await alice.sends(room_id, "hello")

    first = await alice.send(room_id, reaction(said), type="m.reaction", txn_id="t")
    again = await alice.send(room_id, reaction(said), type="m.reaction", txn_id="t")

    assert (again.status, again.json) == (200, first.json)


@pytest.mark.parametrize(
    "relates_to",
    [
        "nothing",
        {"rel_type": "m.annotation"},
        {"rel_type": "m.annotation", "event_id": 5, "key": "x"},
        {"rel_type": "m.annotation", "event_id": "$unknown"},
        {"event_id": "$unknown"},
        {"m.in_reply_to": {"event_id": "$unknown"}},
    ],
)
async def test_relations_that_are_none_are_left_alone(rooms: RoomsServer, relates_to: Any) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    for _ in range(2):
        assert refused(await alice.send(room_id, {"m.relates_to": relates_to})) == OK


# --- threads


async def test_a_thread_starts_at_a_message_and_not_in_a_thread(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    root = await alice.sends(room_id, "root")

    inside = await alice.send(room_id, in_thread(root))
    nested = await alice.send(room_id, in_thread(inside.json["event_id"]))
    second = await alice.send(room_id, in_thread(root))

    assert (inside.status, second.status) == (200, 200)
    assert refused(nested) == (400, "M_UNKNOWN")


async def test_a_thread_cannot_start_at_an_old_event_with_a_relation_either(
    rooms: RoomsServer,
) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    said = await alice.sends(room_id, "hello")
    edit = await alice.send(
        room_id,
        {
            "body": "* hi",
            "m.new_content": {"body": "hi"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": said},
        },
    )
    for n in range(45):
        await alice.sends(room_id, str(n))

    refusal = await alice.send(room_id, in_thread(edit.json["event_id"]))

    assert refused(refusal) == (400, "M_UNKNOWN")
    assert refused(await alice.send(room_id, in_thread(said))) == OK


async def test_a_reply_can_start_a_thread(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    said = await alice.sends(room_id, "hello")
    reply = await alice.send(
        room_id, {"body": "x", "m.relates_to": {"m.in_reply_to": {"event_id": said}}}
    )

    assert refused(await alice.send(room_id, in_thread(reply.json["event_id"]))) == OK


async def test_a_thread_at_an_unknown_event_is_believed(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()

    assert refused(await alice.send(room_id, in_thread("$unknown"))) == OK
