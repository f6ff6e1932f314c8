"""Sliding sync: connections, their positions, and what survives."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.ports.database import Row, Transaction
from tests.rooms_fixture import Person, quoted, refused
from tests.sliding_fixture import STABLE, Phone, SlidingServer, a_list, a_subscription
from tests.sync_fixture import a_room

UNKNOWN_POS = (400, "M_UNKNOWN_POS")


async def test_a_lost_answer_is_given_again(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob)
    lost = await phone.peek()
    assert list(lost.rooms) == [room]
    assert (await phone.sync()).rooms[room]["initial"] is True
    said = await alice.sends(room, "hello")
    new = await a_room(alice, bob)
    for _ in range(6):
        answer = await phone.peek()
        assert answer.timeline(room) == [said]
        assert answer.rooms[new]["initial"] is True
    assert set((await phone.sync()).rooms) == {room, new}
    assert (await phone.sync()).is_empty


async def test_a_repeated_request_may_want_something_else(alice: Person, bob: Person) -> None:
    first, second = await a_room(alice, bob), await a_room(alice, bob)
    phone = Phone(bob, lists={"all": a_list((0, 0))})
    assert list((await phone.sync()).rooms) == [second]
    phone.lists = {"all": a_list((0, 1))}
    assert list((await phone.peek()).rooms) == [first]
    phone.lists = {}
    assert (await phone.sync()).rooms == {}
    phone.lists = {"all": a_list((0, 1))}
    assert list((await phone.sync()).rooms) == [first]


async def test_lazy_members_of_a_lost_answer_are_sent_again(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob, lists={"all": a_list(timeline=1, state=[["m.room.member", "$LAZY"]])})
    await phone.sync()
    await alice.sends(room, "hello")
    assert (await phone.peek()).members(room) == {alice.user_id}
    assert (await phone.sync()).members(room) == {alice.user_id}
    await alice.sends(room, "hello")
    assert (await phone.sync()).members(room) == set()


async def test_an_expanded_timeline_of_a_lost_answer_is_sent_again(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    said = [await alice.sends(room, f"{n}") for n in range(5)]
    phone = Phone(bob, lists={"all": a_list(timeline=1)})
    await phone.sync()
    phone.lists = {"all": a_list(timeline=4)}
    assert (await phone.peek()).timeline(room) == said[-4:]
    assert (await phone.sync()).timeline(room) == said[-4:]


@pytest.mark.parametrize("pos", ["", "s1", "nonsense", "s1~1.1.0~00", "s9~1.1~00"])
async def test_positions_cannot_be_made_up(alice: Person, pos: str) -> None:
    phone = Phone(alice)
    await phone.sync()
    phone.pos = pos
    if pos:
        assert refused(await phone.request()) == UNKNOWN_POS
    else:
        assert (await phone.request()).status == 200


async def test_a_position_is_worth_nothing_to_anybody_else(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    await a_room(alice, bob)
    phone = Phone(alice)
    await phone.sync()
    laptop = server.person("alice", "LAPTOP")
    await Phone(bob).sync()
    for other in (
        Phone(bob, pos=phone.pos),
        Phone(laptop, pos=phone.pos),
        Phone(alice, pos=phone.pos, conn_id="other"),
        Phone(alice, pos=str(phone.pos).replace("s", "s1", 1)),
    ):
        assert refused(await other.request()) == UNKNOWN_POS
    assert (await phone.request()).status == 200


async def test_a_position_that_was_gone_beyond_is_unknown(alice: Person, bob: Person) -> None:
    await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    old = phone.pos
    await a_room(alice, bob)
    await phone.sync()
    await phone.sync()
    phone.pos = old
    assert refused(await phone.request()) == UNKNOWN_POS


async def test_a_connection_that_begins_again_replaces_the_one_of_its_name(
    alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone, again, other = Phone(bob), Phone(bob), Phone(bob, conn_id="other")
    for client in (phone, other, again):
        assert (await client.sync()).rooms[room]["initial"] is True
    assert refused(await phone.request()) == UNKNOWN_POS
    assert (await other.sync()).is_empty
    assert (await again.sync()).is_empty


async def test_a_device_has_a_limited_number_of_connections(alice: Person) -> None:
    phones = [Phone(alice, conn_id=f"{n}") for n in range(9)]
    for phone in phones:
        await phone.sync()
    assert refused(await phones[0].request()) == UNKNOWN_POS
    assert (await phones[1].request()).status == 200


async def test_a_connection_goes_on_after_a_restart(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    room, other = await a_room(alice, bob), await a_room(alice, bob)
    phone = Phone(bob, lists={"all": a_list(state=[["m.room.name", ""]])})
    await phone.sync()
    await alice.sends(room, "told")
    await phone.sync()
    server = server.restarted()
    alice, bob = server.person("alice"), server.person("bob")
    phone.person = bob
    assert (await phone.sync()).is_empty
    said = await alice.sends(room, "hello")
    answer = await phone.sync()
    assert list(answer.rooms) == [room]
    assert answer.timeline(room) == [said]
    assert "initial" not in answer.rooms[room]
    assert other not in answer.rooms


async def test_what_was_not_stored_before_a_crash_is_sent_again(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    stored = server.engine.write_blocking(_rows)
    new = await a_room(alice, bob)
    told = await alice.sends(room, "told")
    assert set((await phone.sync()).rooms) == {room, new}
    server.engine.write_blocking(lambda tx: _put_back(tx, stored))
    server = server.restarted()
    phone.person = server.person("bob")
    answer = await phone.sync()
    assert answer.rooms[new]["initial"] is True
    assert answer.timeline(room) == [told]
    assert (await phone.sync()).is_empty


def _rows(tx: Transaction) -> list[Row]:
    return tx.all("SELECT state, conn_id FROM sliding_connections")


def _put_back(tx: Transaction, rows: list[Row]) -> None:
    for row in rows:
        tx.execute("UPDATE sliding_connections SET state = ? WHERE conn_id = ?", row)


async def test_connections_that_nobody_uses_expire(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    server.clock.advance(31 * 24 * 3600)
    server = server.restarted()
    server.clock.advance(31 * 24 * 3600)
    phone.person = server.person("bob")
    assert refused(await phone.request()) == UNKNOWN_POS


async def test_a_position_is_a_token_for_history(alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    first = await alice.sends(room, "first")
    phone = Phone(bob)
    answer = await phone.sync()
    await alice.sends(room, "second")
    page = await bob.get(f"/rooms/{quoted(room)}/messages?dir=b&limit=1&from={answer.pos}")
    assert [e["event_id"] for e in page.json["chunk"]] == [first]
    path = f"/_matrix/client/v1/rooms/{quoted(room)}/relations/{quoted(first)}"
    assert (await bob.get(f"{path}?from={answer.pos}")).status == 200


async def test_rooms_that_come_back_into_the_window_are_told_since_they_left_it(
    alice: Person, bob: Person
) -> None:
    first, second = await a_room(alice, bob), await a_room(alice, bob)
    phone = Phone(bob)
    assert set((await phone.sync()).rooms) == {first, second}
    phone.lists = {}
    said = [await alice.sends(first, "1")]
    assert (await phone.sync()).is_empty
    said.append(await alice.sends(first, "2"))
    await phone.sync()
    phone.lists = {"all": a_list()}
    answer = await phone.sync()
    assert list(answer.rooms) == [first]
    assert answer.timeline(first) == said
    assert "initial" not in answer.rooms[first]
    assert answer.rooms[first]["num_live"] == 0


async def test_a_new_request_ends_the_one_that_waits(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    waiting = phone.waits()
    second = Phone(bob, pos=phone.pos)
    later = second.waits()
    assert (await waiting).is_empty
    assert not later.called
    await alice.sends(room, "hello")
    server.clock.advance(0)
    assert list((await later).rooms) == [room]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"lists": {f"{n}": {} for n in range(101)}}, "M_INVALID_PARAM"),
        (
            {"room_subscriptions": {f"!{n}:x": a_subscription() for n in range(101)}},
            "M_INVALID_PARAM",
        ),
        ({"lists": {"all": a_list((5, 1))}}, "M_INVALID_PARAM"),
        ({"lists": {"all": {"ranges": [[1]]}}}, "M_BAD_JSON"),
        ({"lists": {"all": {"timeline_limit": -1}}}, "M_INVALID_PARAM"),
        ({"lists": []}, "M_BAD_JSON"),
        ({"conn_id": "x" * 300}, "M_INVALID_PARAM"),
        ({"conn_id": 5}, "M_BAD_JSON"),
    ],
)
async def test_requests_that_do_not_fit_are_refused(
    alice: Person, body: dict[str, Any], errcode: str
) -> None:
    assert refused(await Phone(alice).request(**body)) == (400, errcode)


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"lists": {"all": {"timeline_limit": 1}}}, "M_MISSING_PARAM"),
        ({"set_presence": "asleep"}, "M_INVALID_PARAM"),
        (
            {"lists": {"a b": {"timeline_limit": 1, "required_state": {}}}},
            "M_INVALID_PARAM",
        ),
    ],
)
async def test_stable_requests_that_do_not_fit_are_refused(
    alice: Person, body: dict[str, Any], errcode: str
) -> None:
    assert refused(await alice.post(STABLE, body)) == (400, errcode)


async def test_an_update_asks_the_database_nothing(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    rooms = [await a_room(alice, bob) for _ in range(5)]
    lazy = [["m.room.member", "$LAZY"], ["m.room.member", "$ME"], ["m.room.create", ""]]
    phone = Phone(
        bob, lists={"all": a_list(state=lazy)}, subscriptions={rooms[1]: a_subscription()}
    )
    await phone.sync()
    await phone.sync()
    await alice.sends(rooms[0], "hello")
    await phone.sync()
    reads = server.database.reads
    for room in rooms:
        await alice.sends(room, "hello")
        said = server.database.reads
        answer = await phone.sync()
        assert list(answer.rooms) == [room]
        assert server.database.reads == said
    assert reads <= server.database.reads
