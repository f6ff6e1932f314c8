"""/sync: how many unread events a room has, and how many of them are highlighted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.rooms_fixture import Person
from tests.sync_fixture import (
    Answer,
    Device,
    SyncServer,
    a_room,
    device,
    edit_of,
    ignores,
    reads,
    redacts,
    relates,
    said,
)

THREADS: dict[str, Any] = {"room": {"timeline": {"unread_thread_notifications": True}}}
NOTICE = {"msgtype": "m.notice"}
ENCRYPTED = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…"}


def mentions(*people: Person) -> dict[str, Any]:
    return {"m.mentions": {"user_ids": [p.user_id for p in people]}}


async def puts_rule(person: Person, kind: str, rule_id: str, rule: dict[str, Any]) -> None:
    path = f"/pushrules/global/{kind}/{quote(rule_id, safe='')}"
    assert (await person.put(path, rule)).status == 200


async def removes_rule(person: Person, kind: str, rule_id: str) -> None:
    path = f"/pushrules/global/{kind}/{quote(rule_id, safe='')}"
    assert (await person.delete(path)).status == 200


async def mutes(person: Person, room: str) -> None:
    condition = {"kind": "event_match", "key": "room_id", "pattern": room}
    await puts_rule(person, "override", room, {"conditions": [condition], "actions": []})


async def wants_mentions_only(person: Person, room: str) -> None:
    await puts_rule(person, "room", room, {"actions": []})


async def looks_for(person: Person, keyword: str) -> None:
    actions = ["notify", {"set_tweak": "highlight"}]
    await puts_rule(person, "content", keyword, {"pattern": keyword, "actions": actions})


async def told(phone: Device, room: str) -> tuple[int, int]:
    """The counts, as the waiting client, one from scratch and one of another process are told."""
    answers = [
        await phone.sync(),
        await Device(phone.person, phone.filter).sync(),
        await Device(phone.server.restarted().person(_name(phone.person)), phone.filter).sync(),
    ]
    counts = [answer.unread(room) for answer in answers if room in answer.rooms()]
    assert len(set(counts)) == 1, counts
    return counts[0]


async def told_threads(phone: Device, room: str) -> tuple[tuple[int, int], dict[str, Any]]:
    """The same for threads: of the main timeline, and by root."""
    answers = [
        await phone.sync(),
        await Device(phone.person, THREADS).sync(),
        await Device(phone.server.restarted().person(_name(phone.person)), THREADS).sync(),
    ]
    counts = [(a.unread(room), a.unread_threads(room)) for a in answers if room in a.rooms()]
    assert all(c == counts[0] for c in counts), counts
    return counts[0]


def _name(person: Person) -> str:
    return person.user_id.partition(":")[0][1:]


async def test_messages_of_others_count_until_they_are_read(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    first = await alice.sends(room, "1")
    second = await alice.sends(room, "2")
    assert await told(phone, room) == (2, 0)
    await reads(bob, room, first)
    assert await told(phone, room) == (1, 0)
    await reads(bob, room, second)
    assert await told(phone, room) == (0, 0)


@pytest.mark.parametrize(
    ("type", "content", "counts"),
    [
        ("m.room.message", {}, (1, 0)),
        ("m.room.message", NOTICE, (0, 0)),
        ("m.room.encrypted", ENCRYPTED, (1, 0)),
        ("m.call.invite", {"call_id": "1"}, (1, 0)),
        ("m.reaction", relates("m.annotation", "$target", key="👍"), (0, 0)),
        ("m.room.message", edit_of("$target", "hi"), (0, 0)),
        ("org.example.ping", {}, (0, 0)),
        ("m.room.message", {"m.mentions": {"user_ids": ["@bob:hs"]}}, (1, 1)),
        ("m.room.message", {**NOTICE, "m.mentions": {"user_ids": ["@bob:hs"]}}, (0, 0)),
        ("m.room.message", {"m.mentions": {"room": True}}, (1, 1)),
        ("m.room.message", {"m.mentions": {"user_ids": ["@carol:hs"]}}, (1, 0)),
        ("org.example.ping", {"m.mentions": {"user_ids": ["@bob:hs"]}}, (1, 1)),
        (
            "m.room.message",
            {**edit_of("$t", "hi"), "m.mentions": {"user_ids": ["@bob:hs"]}},
            (1, 1),
        ),
    ],
)
async def test_what_counts(
    alice: Person,
    bob: Person,
    carol: Person,
    type: str,
    content: dict[str, Any],
    counts: tuple[int, int],
) -> None:
    room = await a_room(alice, bob, carol)
    phone = await device(bob)
    await said(alice, room, content, type)
    assert await told(phone, room) == counts


async def test_mentioning_the_room_takes_power(alice: Person, bob: Person, carol: Person) -> None:
    room = await a_room(alice, bob, carol)
    phone = await device(bob)
    await said(carol, room, {"m.mentions": {"room": True}})
    assert await told(phone, room) == (1, 0)


async def test_a_tombstone_highlights_for_everyone(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await alice.sets(room, "m.room.tombstone", {"body": "moved", "replacement_room": "!x:hs"})
    assert await told(phone, room) == (1, 1)


async def test_whoever_says_something_has_read_what_came_before(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await alice.sends(room, "1")
    await said(alice, room, mentions(bob))
    await bob.sends(room, "2")
    assert await told(phone, room) == (0, 0)
    await alice.sends(room, "3")
    assert await told(phone, room) == (1, 0)


async def test_state_and_reactions_of_ones_own_read_nothing(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    event = await alice.sends(room, "1")
    await said(bob, room, relates("m.annotation", event, key="👍"), "m.reaction")
    content = {"membership": "join", "displayname": "Bob"}
    await bob.sets(room, "m.room.member", content, bob.user_id)
    assert await told(phone, room) == (1, 0)


async def test_what_came_before_one_joined_does_not_count(alice: Person, bob: Person) -> None:
    room = await a_room(alice)
    await said(alice, room, mentions(bob))
    phone = await device(bob)
    await bob.joins(room)
    await alice.sends(room, "welcome")
    assert await told(phone, room) == (1, 0)
    await bob.leaves(room)
    await alice.sends(room, "missed")
    await bob.joins(room)
    assert await told(phone, room) == (0, 0)


async def test_counts_are_right_however_far_behind_one_is(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    events = [await said(alice, room, mentions(bob) if n % 10 == 0 else {}) for n in range(70)]
    assert await told(phone, room) == (70, 7)
    await reads(bob, room, events[9])
    assert await told(phone, room) == (60, 6)
    await reads(bob, room, events[64])
    assert await told(phone, room) == (5, 0)


async def test_private_receipts_read_as_well(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    events = [await alice.sends(room, str(n)) for n in range(4)]
    await reads(bob, room, events[2], private=True)
    assert await told(phone, room) == (1, 0)
    await reads(bob, room, events[0])
    assert await told(phone, room) == (1, 0)
    await reads(bob, room, events[3])
    assert await told(phone, room) == (0, 0)


async def test_counts_that_change_are_told_though_nothing_else_is(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "1")
    laptop = server.person("bob", "LAPTOP")
    quiet: dict[str, object] = {"room": {"ephemeral": {"types": []}}}
    phone = await device(laptop, quiet)
    await reads(bob, room, event, private=True)
    answer = await phone.sync()
    assert answer.unread(room) == (0, 0)
    assert answer.room(room)["ephemeral"]["events"] == []


async def test_ignored_users_count_neither_with_messages_nor_with_mentions(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    phone = await device(bob)
    await carol.sends(room, "1")
    await said(carol, room, mentions(bob))
    await said(alice, room, {"m.mentions": {"room": True}})
    await ignores(bob, carol)
    await alice.sends(room, "2")
    await said(carol, room, mentions(bob))
    assert await told(phone, room) == (2, 1)
    await ignores(bob)
    await alice.sends(room, "3")
    assert await told(phone, room) == (6, 3)


async def test_a_muted_room_counts_nothing(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await mutes(bob, room)
    await alice.sends(room, "1")
    await said(alice, room, mentions(bob))
    assert await told(phone, room) == (0, 0)


async def test_a_room_of_mentions_only_counts_these(alice: Person, bob: Person) -> None:
    room, other = await a_room(alice, bob), await a_room(alice, bob)
    phone = await device(bob)
    await alice.sends(room, "1")
    await wants_mentions_only(bob, room)
    await alice.sends(room, "2")
    await said(alice, room, mentions(bob))
    await said(alice, room, {"m.mentions": {"room": True}})
    await alice.sends(other, "3")
    assert await told(phone, room) == (2, 2)
    await removes_rule(bob, "room", room)
    await alice.sends(room, "4")
    await alice.sends(other, "5")
    assert await told(phone, room) == (5, 2)


async def test_keywords_are_counted_for_those_who_look_for_them(
    alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    await looks_for(bob, "cake")
    phone, other = await device(bob), await device(carol)
    await alice.sends(room, "there is cake")
    await alice.sends(room, "in the kitchen")
    await said(alice, room, NOTICE)
    assert await told(phone, room) == (2, 1)
    assert await told(other, room) == (2, 0)
    await bob.sends(room, "thank you")
    await alice.sends(room, "cake is gone")
    assert await told(phone, room) == (1, 1)


async def test_who_stops_looking_for_keywords_counts_nothing_twice(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    await looks_for(bob, "cake")
    phone = await device(bob)
    await alice.sends(room, "there is cake")
    await alice.sends(room, "in the kitchen")
    await removes_rule(bob, "content", "cake")
    await alice.sends(room, "and tea")
    assert await told(phone, room) == (3, 1)


async def test_a_redacted_message_leaves_the_counts_as_they_were(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    await redacts(alice, room, await alice.sends(room, "oops"))
    assert await told(phone, room) == (1, 0)


async def test_threads_count_to_the_room_unless_asked_for(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone, threaded = await device(bob), await device(bob, THREADS)
    root = await alice.sends(room, "root")
    await said(alice, room, relates("m.thread", root))
    await said(alice, room, {**relates("m.thread", root), **mentions(bob)})
    assert await told(phone, room) == (3, 1)
    assert await told_threads(threaded, room) == ((1, 0), {root: (2, 1)})


async def test_threads_are_read_one_by_one(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, THREADS)
    roots = [await alice.sends(room, "one"), await alice.sends(room, "two")]
    first = [await said(alice, room, relates("m.thread", roots[0])) for _ in range(3)]
    second = [await said(alice, room, relates("m.thread", roots[1])) for _ in range(2)]
    assert await told_threads(phone, room) == ((2, 0), {roots[0]: (3, 0), roots[1]: (2, 0)})
    await reads(bob, room, first[1], thread=roots[0])
    assert await told_threads(phone, room) == ((2, 0), {roots[0]: (1, 0), roots[1]: (2, 0)})
    await reads(bob, room, roots[1], thread="main")
    assert await told_threads(phone, room) == ((0, 0), {roots[0]: (1, 0), roots[1]: (2, 0)})
    await reads(bob, room, second[1], thread=roots[1], private=True)
    assert await told_threads(phone, room) == ((0, 0), {roots[0]: (1, 0)})
    await reads(bob, room, second[1])
    assert await told_threads(phone, room) == ((0, 0), {})
    await said(alice, room, relates("m.thread", roots[0]))
    assert await told_threads(phone, room) == ((0, 0), {roots[0]: (1, 0)})


async def test_who_reads_by_threads_may_be_told_of_the_room_as_a_whole(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    root = await alice.sends(room, "root")
    await said(alice, room, relates("m.thread", root))
    await reads(bob, room, root, thread="main")
    assert await told(phone, room) == (1, 0)
    await alice.sends(room, "main again")
    assert await told(phone, room) == (2, 0)


async def test_threads_far_behind_are_read_from_the_database(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, THREADS)
    root = await alice.sends(room, "root")
    thread = [await said(alice, room, relates("m.thread", root)) for _ in range(50)]
    await alice.sends(room, "main")
    assert await told_threads(phone, room) == ((2, 0), {root: (50, 0)})
    await reads(bob, room, thread[4], thread=root)
    assert await told_threads(phone, room) == ((2, 0), {root: (45, 0)})
    await said(alice, room, relates("m.thread", root))
    assert await told_threads(phone, room) == ((2, 0), {root: (46, 0)})


async def test_threads_under_other_rules(alice: Person, bob: Person) -> None:
    mentions_only, keywords = await a_room(alice, bob), await a_room(alice, bob)
    phone = await device(bob, THREADS)
    await wants_mentions_only(bob, mentions_only)
    for room in (mentions_only, keywords):
        root = await alice.sends(room, "root")
        await said(alice, room, {**relates("m.thread", root), "body": "1"})
        await said(alice, room, {**relates("m.thread", root), **mentions(bob)})
        if room == mentions_only:
            assert await told_threads(phone, room) == ((0, 0), {root: (1, 1)})
    await looks_for(bob, "cake")
    root = await alice.sends(keywords, "cake")
    await said(alice, keywords, {**relates("m.thread", root), "body": "more cake"})
    await said(alice, keywords, {**relates("m.thread", root), "body": "please"})
    counts, threads = await told_threads(phone, keywords)
    assert (counts, threads[root]) == ((1, 1), (2, 1))


async def test_a_waiting_sync_is_told_the_counts_without_a_query(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob, THREADS)
    root = await alice.sends(room, "root")
    await reads(bob, room, root, thread="main")
    await phone.sync()
    server.database.reads = 0
    counts: list[Answer] = []
    for number in range(3):
        event = await said(alice, room, relates("m.thread", root) if number % 2 else mentions(bob))
        counts.append(await phone.sync())
        await reads(bob, room, event, thread=root if number % 2 else "main")
        counts.append(await phone.sync())
    assert [(a.unread(room), a.unread_threads(room)) for a in counts] == [
        ((1, 1), {}),
        ((0, 0), {}),
        ((0, 0), {root: (1, 0)}),
        ((0, 0), {}),
        ((1, 1), {}),
        ((0, 0), {}),
    ]
    assert server.database.reads == 0


async def test_counts_of_many_rooms_take_a_fixed_number_of_queries(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    asked = []
    for number in (3, 9):
        for _ in range(number):
            room = await a_room(alice, bob)
            root = await said(alice, room, mentions(bob))
            await said(alice, room, relates("m.thread", root))
        again = server.restarted()
        answer = await Device(again.person("bob"), THREADS).sync()
        assert len(answer.rooms()) >= number
        asked.append(again.database.reads)
    assert asked[0] == asked[1]
