"""Timelines of events to which others relate."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId, RoomId
from tests.rooms_fixture import Person
from tests.sync_fixture import Device, SyncServer, a_room, device, ids, redacts, relates, said


def related_by(**definition: Any) -> JsonObject:
    return {"room": {"timeline": definition}}


THREADS = related_by(related_by_rel_types=["m.thread"])


async def a_conversation(alice: Person, bob: Person, room: str) -> dict[str, EventId]:
    """A message of each sort, by what relates to it."""
    sent = {name: await alice.sends(room, name) for name in ("thread", "reaction", "nothing")}
    await said(bob, room, relates("m.thread", sent["thread"]))
    await said(alice, room, relates("m.annotation", sent["reaction"], key="+1"), "m.reaction")
    return sent


@pytest.mark.parametrize(
    ("definition", "shown"),
    [
        ({"related_by_rel_types": ["m.thread"]}, ["thread"]),
        ({"related_by_rel_types": ["m.thread", "m.annotation"]}, ["thread", "reaction"]),
        ({"related_by_rel_types": []}, []),
        ({"related_by_senders": ["@alice:hs"]}, ["reaction"]),
        ({"related_by_senders": ["@alice:hs", "@bob:hs"]}, ["thread", "reaction"]),
        ({"related_by_senders": ["@alice:hs"], "related_by_rel_types": ["m.thread"]}, []),
        ({"related_by_senders": ["@bob:hs"], "related_by_rel_types": ["m.thread"]}, ["thread"]),
        ({"related_by_rel_types": ["m.thread"], "senders": ["@bob:hs"]}, []),
    ],
)
@pytest.mark.parametrize("from_scratch", [False, True])
@pytest.mark.parametrize("far_behind", [False, True])
async def test_only_events_pass_to_which_others_relate(
    alice: Person,
    bob: Person,
    definition: JsonObject,
    shown: list[str],
    from_scratch: bool,
    far_behind: bool,
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, related_by(**definition))
    sent = await a_conversation(alice, bob, room)
    for number in range(60 if far_behind else 0):
        await alice.sends(room, str(number))
    if from_scratch:
        phone.since = None
    answer = await phone.sync()
    timeline = answer.timeline(room) if room in answer.rooms() else []
    assert ids(timeline) == [sent[name] for name in shown]


async def test_what_relates_from_elsewhere_or_is_redacted_does_not_count(
    alice: Person, bob: Person
) -> None:
    room, other = await a_room(alice, bob), await a_room(alice, bob)
    phone = await device(bob, THREADS)
    one, two = await alice.sends(room, "1"), await alice.sends(room, "2")
    await said(alice, other, relates("m.thread", one))
    await redacts(alice, room, await said(alice, room, relates("m.thread", two)))
    for answer in (await phone.sync(), await Device(bob, THREADS).sync()):
        assert room not in answer.rooms() or answer.timeline(room) == []


async def test_state_that_the_timeline_leaves_out_is_told_beside_it(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, THREADS)
    root = await alice.sends(room, "root")
    topic = await alice.sets(room, "m.room.topic", {"topic": "Roses"})
    await said(bob, room, relates("m.thread", root))
    for after in (False, True):
        answer = await phone.peek(use_state_after=after)
        assert ids(answer.timeline(room)) == [root]
        assert ids(answer.state(room)) == [topic]
    from_scratch = await Device(bob, THREADS).sync()
    assert ids(from_scratch.timeline(room)) == [root]
    assert topic in ids(from_scratch.state(room))


async def test_relations_in_many_rooms_are_looked_up_at_once(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    rooms = [await a_room(alice, bob) for _ in range(12)]
    few = await device(bob, {**THREADS, "account_data": {"types": []}})
    many = await device(bob, {**THREADS, "account_data": {"types": []}})

    async def reads_of(phone: Device, some: list[RoomId]) -> int:
        roots = {room: await alice.sends(room, "root") for room in some}
        for room, root in roots.items():
            await said(alice, room, relates("m.reference", root))
        await phone.peek()  # counts and events are in memory from here on
        before = server.database.reads
        answer = await phone.peek()
        assert all(answer.timeline(room) == [] for room in answer.rooms())
        return server.database.reads - before

    assert await reads_of(few, rooms[:2]) == await reads_of(many, rooms) == 1


async def test_where_nothing_relates_nothing_is_asked(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    await alice.sends(room, "hello")
    phone = await device(bob, THREADS)
    waiting = phone.waits()
    before = server.database.reads
    await alice.sends(room, "hello")
    server.clock.advance(0)
    assert server.database.reads == before
    assert not waiting.called
