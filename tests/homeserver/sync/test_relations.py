"""/sync: what is bundled with events, and events that were redacted."""

from __future__ import annotations

from typing import Any

from homeserver.domain.canonical_json import JsonObject
from tests.rooms_fixture import Person
from tests.sync_fixture import (
    Answer,
    Device,
    SyncServer,
    a_room,
    device,
    edit_of,
    ids,
    redacts,
    relates,
    said,
)


def event(answer: Answer, room: str, event_id: str) -> JsonObject:
    everything = [*answer.timeline(room), *answer.state(room)]
    return next(e for e in everything if e["event_id"] == event_id)


def bundled(answer: Answer, room: str, event_id: str) -> JsonObject:
    found: JsonObject = event(answer, room, event_id)["unsigned"].get("m.relations", {})
    return found


async def everywhere(phone: Device) -> list[Answer]:
    """The answer to a client that goes on, to one that begins, and the same after a restart."""
    restarted = phone.server.restarted().person(phone.person.user_id.partition(":")[0][1:])
    begins = await Device(phone.person, phone.filter).sync()
    goes_on = await Device(restarted, phone.filter, phone.since).sync()
    begins_anew = await Device(restarted, phone.filter).sync()
    return [await phone.peek(), begins, goes_on, begins_anew]


async def test_an_edit_is_bundled_with_the_message(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    original = await alice.sends(room, "helo")
    await said(alice, room, edit_of(original, "hallo"))
    alice.server.clock.advance(1)
    latest = await said(alice, room, edit_of(original, "hello"))
    for answer in await everywhere(phone):
        assert event(answer, room, original)["content"]["body"] == "helo"
        edit = bundled(answer, room, original)["m.replace"]
        assert edit["event_id"] == latest
        assert edit["content"]["m.new_content"]["body"] == "hello"


async def test_edits_by_others_are_not_bundled(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    original = await alice.sends(room, "hello")
    await said(bob, room, edit_of(original, "I never said that"))
    for answer in await everywhere(phone):
        assert bundled(answer, room, original) == {}


async def test_when_the_last_edit_is_redacted_the_one_before_counts(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    original = await alice.sends(room, "helo")
    first = await said(alice, room, edit_of(original, "hallo"))
    alice.server.clock.advance(1)
    await redacts(alice, room, await said(alice, room, edit_of(original, "hello")))
    for answer in await everywhere(phone):
        assert bundled(answer, room, original)["m.replace"]["event_id"] == first


async def test_reactions_are_not_bundled_and_references_are(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    original = await alice.sends(room, "hello")
    await said(bob, room, relates("m.annotation", original, key="👍"), "m.reaction")
    reference = await said(bob, room, relates("m.reference", original))
    for answer in await everywhere(phone):
        assert bundled(answer, room, original) == {
            "m.reference": {"chunk": [{"event_id": reference}]}
        }


async def test_state_events_can_be_referred_to(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    beacon = await alice.sets(room, "org.example.beacon", {"live": True})
    reference = await said(alice, room, relates("m.reference", beacon), "org.example.place")
    for answer in await everywhere(phone):
        assert bundled(answer, room, beacon) == {
            "m.reference": {"chunk": [{"event_id": reference}]}
        }


async def test_a_thread_is_summarised_at_its_root(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    phones = [await device(p) for p in (alice, bob, carol)]
    root = await alice.sends(room, "root")
    await said(bob, room, relates("m.thread", root))
    latest = await said(bob, room, relates("m.thread", root))
    await said(bob, room, edit_of(latest, "edited"))
    for phone, participated in zip(phones, (True, True, False), strict=True):
        for answer in await everywhere(phone):
            thread = bundled(answer, room, root)["m.thread"]
            assert (thread["count"], thread["current_user_participated"]) == (2, participated)
            assert thread["latest_event"]["event_id"] == latest
            edit = thread["latest_event"]["unsigned"]["m.relations"]["m.replace"]
            assert edit["content"]["m.new_content"]["body"] == "edited"


async def test_nothing_is_bundled_from_other_rooms(alice: Person, bob: Person) -> None:
    room, other = await a_room(alice, bob), await a_room(alice)
    phone = await device(bob)
    original = await alice.sends(room, "hello")
    await said(alice, other, relates("m.thread", original, body="secret"))
    await said(alice, other, relates("m.reference", original))
    await said(alice, other, edit_of(original, "secret"))
    await alice.sends(room, "so that the room is told of")
    for answer in await everywhere(phone):
        assert bundled(answer, room, original) == {}


async def test_a_redacted_message_is_gone_everywhere(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    secret = await alice.sends(room, "secret")
    await said(alice, room, edit_of(secret, "more secret"))
    redaction = await redacts(alice, room, secret)
    for answer in await everywhere(phone):
        told = event(answer, room, secret)
        assert told["content"] == {}
        assert told["unsigned"]["redacted_because"]["event_id"] == redaction
        assert "m.relations" not in told["unsigned"]
        redacting = event(answer, room, redaction)
        assert (redacting["redacts"], redacting["content"]["redacts"]) == (secret, secret)


async def test_a_redacted_root_keeps_its_thread(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    root = await alice.sends(room, "root")
    reply = await said(bob, room, relates("m.thread", root))
    await redacts(alice, room, root)
    for answer in await everywhere(phone):
        assert bundled(answer, room, root)["m.thread"]["latest_event"]["event_id"] == reply


async def test_redacted_messages_leave_their_thread(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    root = await alice.sends(room, "root")
    kept = await said(bob, room, relates("m.thread", root))
    await redacts(bob, room, await said(bob, room, relates("m.thread", root)))
    for answer in await everywhere(phone):
        thread = bundled(answer, room, root)["m.thread"]
        assert (thread["count"], thread["latest_event"]["event_id"]) == (1, kept)


async def test_redacted_state_is_gone_from_state_and_from_what_replaced_it(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, {"room": {"timeline": {"limit": 1}}})
    secret = await alice.sets(room, "m.room.topic", {"topic": "secret"})
    redaction = await redacts(alice, room, secret)
    await alice.sends(room, "hello")
    for answer in await everywhere(phone):
        told = event(answer, room, secret)
        assert told["content"] == {}
        assert told["unsigned"]["redacted_because"]["event_id"] == redaction
    replacing = await alice.sets(room, "m.room.topic", {"topic": "new"})
    for answer in await everywhere(phone):
        assert event(answer, room, replacing)["unsigned"]["prev_content"] == {}


async def test_what_is_read_while_it_is_redacted_is_not_kept(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    secret = await alice.sets(room, "m.room.topic", {"topic": "secret"})
    for number in range(60):
        await alice.sends(room, str(number))
    await alice.sets(room, "m.room.topic", {"topic": "new"})
    again = server.restarted()
    alice, phone = again.person("alice"), Device(again.person("bob"))
    nid = (await again.actor(room)).view.tail[-1].replaces_nid
    assert nid is not None
    again.database.between(1, lambda: redacts(alice, room, secret))
    await again.events.fetch([nid])
    answer = await phone.sync()
    replacing = next(e for e in answer.timeline(room) if e["type"] == "m.room.topic")
    assert replacing["unsigned"]["prev_content"] == {}


async def test_a_redaction_arrives_like_any_event(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    secret = await alice.sends(room, "secret")
    phone = await device(bob)
    redaction = await redacts(alice, room, secret)
    answer = await phone.sync()
    assert ids(answer.timeline(room)) == [redaction]
    told: Any = answer.timeline(room)[0]
    assert told["redacts"] == secret
