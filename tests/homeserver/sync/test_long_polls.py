"""/sync: waiting for something to come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.rooms_fixture import Person
from tests.sync_fixture import (
    Device,
    SyncServer,
    a_room,
    bodies,
    device,
    keeps,
    reads,
    types,
)


def _is_waiting(answer: Deferred[Any]) -> bool:
    return not answer.called


async def test_a_waiting_sync_answers_when_something_comes(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    waiting = phone.waits()
    server.clock.advance(10)
    assert not waiting.called
    await alice.sends(room, "hello")
    server.clock.advance(0)
    assert bodies((await waiting).timeline(room)) == ["hello"]
    assert server.sync.waiting == 0


async def test_a_sync_that_waits_in_vain_answers_with_nothing_after_its_time(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    await a_room(alice)
    phone = await device(bob)
    waiting = phone.waits(timeout=5000)
    server.clock.advance(4.9)
    assert not waiting.called
    server.clock.advance(0.2)
    assert (await waiting).is_empty


async def test_without_a_timeout_a_sync_does_not_wait(alice: Person) -> None:
    phone = await device(alice)
    assert (await phone.sync()).is_empty


async def test_every_kind_of_news_wakes_a_sync(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "hello")
    await device(alice)
    phone = await device(bob)
    invite = await alice.creates_room(preset="private_chat")
    happenings: list[Callable[[], Awaitable[object]]] = [
        lambda: alice.sends(room, "hello"),
        lambda: types(alice, room),
        lambda: reads(alice, room, event),
        lambda: reads(bob, room, event, private=True),
        lambda: keeps(bob, "org.example.note", {}),
        lambda: keeps(bob, "org.example.note", {"a": 1}, room),
        lambda: server.becomes(alice, "online"),
        lambda: alice.invites(invite, bob),
        lambda: bob.leaves(invite),
        lambda: a_room(bob),
        lambda: bob.leaves(room),
    ]
    for number, happens in enumerate(happenings):
        waiting = phone.waits()
        assert _is_waiting(waiting), number
        await happens()
        server.clock.advance(0)
        assert not _is_waiting(waiting), number
        assert not (await waiting).is_empty


async def test_what_happens_elsewhere_wakes_nobody(
    server: SyncServer, alice: Person, bob: Person, carol: Person
) -> None:
    await a_room(alice, bob)
    private = await a_room(alice, carol)
    phone = await device(bob)
    waiting = phone.waits()
    await alice.sends(private, "hello")
    await keeps(alice, "org.example.note", {})
    server.clock.advance(1)
    assert not waiting.called
    server.clock.advance(60)
    answer = await waiting
    assert answer.is_empty
    assert answer.token != phone.since or answer.token == f"s{server.log.published[0]}"


async def test_all_devices_of_a_user_wake(server: SyncServer, alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phones = [await device(server.person("bob", name)) for name in ("A", "B", "C")]
    waiting = [phone.waits(timeout=1000 * (n + 1)) for n, phone in enumerate(phones)]
    server.clock.advance(1.5)
    assert [w.called for w in waiting] == [True, False, False]
    await alice.sends(room, "hello")
    server.clock.advance(0)
    assert [bodies((await w).timeline(room)) for w in waiting[1:]] == [["hello"]] * 2


async def test_many_who_wait_share_what_is_the_same_for_them(
    server: SyncServer, alice: Person
) -> None:
    people = [server.person(f"u{n}") for n in range(5)]
    room = await a_room(alice, *people)
    phones = [await device(person) for person in people]
    await alice.sends(room, "so that her transactions are in memory")
    for phone in phones:
        await phone.sync()
    waiting = [phone.waits() for phone in phones]
    server.database.reads = 0
    await alice.sends(room, "hello")
    server.clock.advance(0)
    answers = [await w for w in waiting]
    assert [bodies(answer.timeline(room)) for answer in answers] == [["hello"]] * 5
    assert server.database.reads == 0
    assert len((await server.actor(room)).view.fragments) == 1


async def test_events_that_come_together_are_told_together(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    waiting = phone.waits()
    await alice.sends(room, "1")
    await alice.sends(room, "2")
    server.clock.advance(0)
    assert bodies((await waiting).timeline(room)) == ["1", "2"]


@pytest.mark.parametrize("reads_until", range(1, 6))
async def test_no_wake_up_is_lost_while_the_session_is_read(
    server: SyncServer, alice: Person, bob: Person, reads_until: int
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    again = server.restarted()
    alice, phone.person = again.person("alice"), again.person("bob")
    again.database.between(reads_until, lambda: alice.sends(room, "hello"))
    waiting = phone.waits()
    again.clock.advance(0)
    if not again.database.has_happened:
        pytest.skip("there are not as many reads")
    assert bodies((await waiting).timeline(room)) == ["hello"]


async def test_a_client_that_goes_away_leaves_nothing_behind(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    await a_room(alice, bob)
    phone = await device(bob)
    waiting = phone.waits()
    failures: list[type[BaseException] | None] = []
    waiting.addErrback(lambda failure: failures.append(failure.check(CancelledError)))
    waiting.cancel()
    session = await server.sessions.of(bob.user_id)
    assert not session.is_waiting
    assert server.sync.waiting == 0


async def test_when_the_server_stops_all_who_wait_are_answered(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    phones = [await device(alice), await device(bob)]
    waiting = [phone.waits() for phone in phones]
    server.sync.stop()
    assert all(w.called for w in waiting)
    assert (await device(alice)).since is not None
    assert (await phones[0].sync(timeout=1000)).is_empty


async def test_users_who_stay_away_are_let_go_and_come_back(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone, waits = await device(bob), await device(alice)
    waiting = waits.waits(timeout=300_000)
    for _ in range(6):
        server.clock.advance(301)
        waiting = waits.waits(timeout=300_000)
    assert server.sessions.who_see(bob.user_id) == set()
    assert server.sessions.who_see(alice.user_id) != set()
    server.clock.advance(301)
    await waiting
    await alice.sends(room, "hello")
    assert bodies((await phone.sync()).timeline(room)) == ["hello"]


@pytest.mark.parametrize(
    "token", ["", "x", "s", "sx", "s1_2", "s-1", "s1.5", "t1", "s" + "9" * 30, "s١"]
)
async def test_tokens_that_are_none_are_refused(alice: Person, token: str) -> None:
    response = await Device(alice).request(since=token)
    if token:
        assert (response.status, response.json["errcode"]) == (400, "M_INVALID_PARAM")
    else:
        assert response.status == 200


async def test_a_token_from_the_future_is_waited_for(
    server: SyncServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = await device(bob)
    future = server.log.published[0] + 2
    waiting = phone.waits(since=f"s{future}")
    await alice.sends(room, "before the token")
    server.clock.advance(0.1)
    assert not waiting.called
    await alice.sends(room, "at the token")
    server.clock.advance(0.1)
    await alice.sends(room, "after the token")
    server.clock.advance(0.1)
    assert bodies((await waiting).timeline(room)) == ["after the token"]


async def test_a_token_that_stays_in_the_future_is_not_waited_for_forever(
    server: SyncServer, alice: Person
) -> None:
    phone = await device(alice)
    waiting = phone.waits(since="s999999", timeout=1000)
    for _ in range(200):
        server.clock.advance(0.05)
    answer = await waiting
    assert (answer.is_empty, answer.token) == (True, "s999999")


async def test_bad_parameters_are_refused(alice: Person) -> None:
    for query in ("timeout=soon", "full_state=perhaps", "set_presence=away"):
        response = await alice.get(f"/sync?{query}")
        assert (response.status, response.json["errcode"]) == (400, "M_INVALID_PARAM"), query
