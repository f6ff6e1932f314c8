"""/sync with filters."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rooms_fixture import Person, quoted
from tests.sync_fixture import (
    Device,
    SyncServer,
    a_room,
    bodies,
    device,
    ids,
    keeps,
    places,
    reads,
    said,
    types,
)


def timeline(**definition: Any) -> dict[str, Any]:
    return {"room": {"timeline": definition}}


@pytest.mark.parametrize(
    ("definition", "passed"),
    [
        ({"types": ["m.room.message"]}, ["text", "picture", "of bob"]),
        ({"types": ["m.room.*"]}, ["text", "picture", "topic", "of bob"]),
        ({"types": ["m.room.*"], "not_types": ["m.room.topic"]}, ["text", "picture", "of bob"]),
        ({"not_types": ["*"]}, []),
        ({"types": []}, []),
        ({"senders": ["@alice:hs"]}, ["text", "picture", "topic", "custom"]),
        ({"not_senders": ["@alice:hs"]}, ["of bob"]),
        ({"contains_url": True}, ["picture"]),
        ({"contains_url": False}, ["text", "topic", "custom", "of bob"]),
        ({"rooms": []}, []),
        ({"rooms": ["!other:hs"]}, []),
        ({"not_rooms": ["!other:hs"]}, ["text", "picture", "topic", "custom", "of bob"]),
        ({"limit": 2}, ["custom", "of bob"]),
        ({"limit": 0}, ["of bob"]),
        ({"types": ["m.room.message"], "limit": 2}, ["picture", "of bob"]),
    ],
)
@pytest.mark.parametrize("from_scratch", [False, True])
async def test_what_a_timeline_filter_lets_pass(
    alice: Person,
    bob: Person,
    definition: dict[str, Any],
    passed: list[str],
    from_scratch: bool,
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, timeline(**definition))
    sent = {
        "text": await alice.sends(room, "hello"),
        "picture": await said(alice, room, {"msgtype": "m.image", "url": "mxc://hs/1"}),
        "topic": await alice.sets(room, "m.room.topic", {"topic": "Roses"}),
        "custom": await said(alice, room, {}, "org.example.ping"),
        "of bob": await bob.sends(room, "hello"),
    }
    if from_scratch:
        phone.since = None
    answer = await phone.sync()
    shown = answer.timeline(room) if room in answer.rooms() else []
    assert [e for e in ids(shown) if e in sent.values()] == [sent[name] for name in passed]


async def test_state_that_the_timeline_leaves_out_is_told_as_state(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    only_messages = timeline(types=["m.room.message"])
    phone = await device(bob, only_messages)
    await alice.sends(room, "1")
    await alice.sets(room, "m.room.topic", {"topic": "overtaken"})
    topic = await alice.sets(room, "m.room.topic", {"topic": "new"})
    answer = await phone.peek()
    assert bodies(answer.timeline(room)) == ["1"]
    assert ids(answer.state(room)) == [topic]
    assert ids((await phone.peek(use_state_after=True)).state(room)) == [topic]
    from_scratch = await Device(bob, only_messages).sync()
    assert topic in ids(from_scratch.state(room))


async def test_state_filters_narrow_the_state(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob, name="Garden")
    for number in range(10):
        await alice.sends(room, str(number))
    phone = Device(bob, {"room": {"state": {"types": ["m.room.name", "m.room.topic"]}}})
    assert places((await phone.sync()).state(room)) == {("m.room.name", "")}
    await alice.sets(room, "m.room.topic", {"topic": "Roses"})
    await alice.sets(room, "m.room.avatar", {"url": "mxc://hs/1"})
    answer = await phone.sync(use_state_after=True)
    assert places(answer.state(room)) == {("m.room.topic", "")}


async def test_the_state_of_other_rooms_can_be_left_out(alice: Person, bob: Person) -> None:
    here, there = await a_room(alice, bob), await a_room(alice, bob)
    definition = {"room": {"state": {"rooms": [here]}, "timeline": {"limit": 1}}}
    excluding = {"room": {"state": {"not_rooms": [there]}, "timeline": {"limit": 1}}}
    phone = Device(bob, definition)
    for answer in (await phone.sync(), await Device(bob, excluding).sync()):
        assert answer.state(here) != []
        assert answer.state(there) == []
    for room in (here, there):
        await alice.sets(room, "m.room.topic", {"topic": "Roses"})
        await alice.sends(room, "hello")
    for after in (False, True):
        answer = await phone.peek(use_state_after=after)
        assert places(answer.state(here)) == {("m.room.topic", "")}
        assert answer.state(there) == []


@pytest.mark.parametrize("contains_url", [True, False])
async def test_a_url_of_whatever_kind_is_one(
    alice: Person, bob: Person, contains_url: bool
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, timeline(contains_url=contains_url, types=["m.room.message"]))
    strange = await said(alice, room, {"url": {"not": "a string"}})
    plain = await alice.sends(room, "hello")
    shown = ids((await phone.sync()).timeline(room))
    assert shown == ([strange] if contains_url else [plain])


async def test_rooms_can_be_chosen(alice: Person, bob: Person) -> None:
    here, there = await a_room(alice, bob), await a_room(alice, bob)
    chosen = await device(bob, {"room": {"rooms": [here]}})
    other = await device(bob, {"room": {"not_rooms": [here]}})
    assert list((await Device(bob, chosen.filter).sync()).rooms()) == [here]
    for room in (here, there):
        await alice.sends(room, "hello")
    assert list((await chosen.sync()).rooms()) == [here]
    assert list((await other.sync()).rooms()) == [there]


async def test_a_sync_does_not_answer_for_what_its_filter_leaves_out(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    quiet = {
        "room": {"timeline": {"types": ["m.room.message"]}, "ephemeral": {"types": []}},
        "account_data": {"types": []},
        "presence": {"types": []},
    }
    phone = await device(bob, quiet)
    waiting = phone.waits()
    await said(alice, room, {}, "org.example.ping")
    await types(alice, room)
    await keeps(bob, "org.example.note", {"a": 1})
    await server.becomes(bob, "online")
    server.clock.advance(0)
    assert not waiting.called
    await alice.sends(room, "hello")
    server.clock.advance(0)
    assert bodies((await waiting).timeline(room)) == ["hello"]


async def test_ephemeral_and_account_data_filters(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "hello")
    phone = await device(
        bob,
        {
            "room": {
                "ephemeral": {"types": ["m.receipt"]},
                "account_data": {"not_types": ["m.tag"]},
            },
            "account_data": {"types": ["org.example.*"]},
        },
    )
    await types(alice, room)
    await reads(alice, room, event)
    await keeps(bob, "m.tag", {"tags": {}}, room)
    await keeps(bob, "org.example.note", {"a": 1}, room)
    await keeps(bob, "org.example.note", {"a": 2})
    await keeps(bob, "m.direct", {})
    answer = await phone.sync()
    assert [e["type"] for e in answer.room(room)["ephemeral"]["events"]] == ["m.receipt"]
    assert answer.account_data(room) == {"org.example.note": {"a": 1}}
    assert answer.account_data() == {"org.example.note": {"a": 2}}
    assert (await Device(bob, phone.filter).sync()).account_data() == {"org.example.note": {"a": 2}}


async def test_parts_of_other_rooms_can_be_left_out(alice: Person, bob: Person) -> None:
    here, there = await a_room(alice, bob), await a_room(alice, bob)
    phone = await device(
        bob, {"room": {"ephemeral": {"rooms": [here]}, "account_data": {"rooms": [here]}}}
    )
    for room in (here, there):
        await types(alice, room)
        await keeps(bob, "org.example.note", {"a": 1}, room)
    answer = await phone.sync()
    assert answer.ephemeral(here, "m.typing") == {"user_ids": [alice.user_id]}
    assert list(answer.account_data(here)) == ["org.example.note"]
    assert there not in answer.rooms()


async def test_presence_filters(server: SyncServer, alice: Person, bob: Person) -> None:
    await a_room(alice, bob)
    everyone = await device(bob)
    nobody = await device(bob, {"presence": {"not_types": ["*"]}})
    not_alice = await device(bob, {"presence": {"not_senders": [alice.user_id]}})
    await device(alice)
    await server.becomes(alice, "online")
    await server.becomes(bob, "unavailable")
    assert (await everyone.sync()).presence() == {
        alice.user_id: "online",
        bob.user_id: "unavailable",
    }
    assert (await nobody.sync()).is_empty
    assert (await not_alice.sync()).presence() == {bob.user_id: "unavailable"}


async def test_only_the_fields_asked_for_are_sent(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, {"event_fields": ["type", "content.body", "unsigned.membership"]})
    other = await device(bob)
    await alice.sends(room, "hello")
    await alice.sends(room, "world")
    assert (await phone.sync()).timeline(room) == [
        {
            "type": "m.room.message",
            "content": {"body": body},
            "unsigned": {"membership": "join"},
        }
        for body in ("hello", "world")
    ]
    assert "event_id" in (await other.sync()).timeline(room)[0]


async def test_events_can_be_sent_as_servers_exchange_them(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    usual = await device(bob)
    phone = await device(bob, {"event_format": "federation"})
    await alice.sends(room, "hello")
    (event,) = (await usual.sync()).timeline(room)
    (pdu,) = (await phone.sync()).timeline(room)
    assert "auth_events" not in event
    assert {"auth_events", "prev_events", "signatures", "hashes", "depth"} <= set(pdu)
    assert pdu["unsigned"]["membership"] == "join"


async def test_a_stored_filter_serves_as_well(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    made = await bob.post(f"/user/{quoted(bob.user_id)}/filter", timeline(limit=1))
    await alice.sends(room, "1")
    await alice.sends(room, "2")
    answer = await Device(bob).sync(filter=made.json["filter_id"])
    assert bodies(answer.timeline(room)) == ["2"]


async def test_bad_filters_are_refused(alice: Person) -> None:
    await a_room(alice)
    for text in ("{", '{"room": 1}', '{"room": {"timeline": {"limit": -1}}}', "99"):
        response = await alice.get(f"/sync?filter={quoted(text)}")
        assert response.status in (400, 404), text
        assert response.json["errcode"] in (
            "M_NOT_JSON",
            "M_BAD_JSON",
            "M_INVALID_PARAM",
            "M_NOT_FOUND",
        )
