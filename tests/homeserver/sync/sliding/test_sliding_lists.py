"""Sliding sync: which rooms lists and subscriptions choose."""

from __future__ import annotations

from typing import Any

from tests.rooms_fixture import Person, quoted
from tests.sliding_fixture import Phone, SlidingServer, a_list, a_subscription
from tests.sync_fixture import a_room, ignores, keeps


async def found(person: Person, **filters: Any) -> set[str]:
    """The rooms that a filter lets through, for a client that begins."""
    answer = await Phone(person, lists={"all": a_list(**filters)}).sync()
    assert answer.count() == len(answer.rooms)
    return set(answer.rooms)


async def tags(person: Person, room: str, tag: str) -> None:
    path = f"/user/{quoted(person.user_id)}/rooms/{quoted(room)}/tags/{tag}"
    assert (await person.put(path, {})).status == 200


async def test_a_window_holds_the_rooms_that_were_active_last(alice: Person, bob: Person) -> None:
    rooms = [await a_room(alice, bob) for _ in range(4)]
    phone = Phone(bob, lists={"all": a_list((0, 1))})
    answer = await phone.sync()
    assert answer.count() == 4
    assert set(answer.rooms) == {rooms[2], rooms[3]}
    await alice.sends(rooms[0], "hello")
    answer = await phone.sync()
    assert list(answer.rooms) == [rooms[0]]
    assert answer.rooms[rooms[0]]["num_live"] == 1
    phone.lists = {"all": a_list((0, 3))}
    assert list((await phone.sync()).rooms) == [rooms[1]]


async def test_a_window_in_the_middle_is_followed(alice: Person, bob: Person) -> None:
    rooms = [await a_room(alice, bob) for _ in range(4)]
    phone = Phone(bob, lists={"all": a_list((0, 0), (2, 2))})
    assert set((await phone.sync()).rooms) == {rooms[3], rooms[1]}
    await alice.sends(rooms[0], "hello")
    assert set((await phone.sync()).rooms) == {rooms[0], rooms[2]}


async def test_a_room_that_moves_up_when_another_goes_is_told(alice: Person, bob: Person) -> None:
    rooms = [await a_room(alice, bob) for _ in range(3)]
    phone = Phone(bob, lists={"direct": a_list((0, 0), is_dm=False)})
    assert list((await phone.sync()).rooms) == [rooms[2]]
    await keeps(bob, "m.direct", {alice.user_id: [rooms[2]]})
    answer = await phone.sync()
    assert answer.count("direct") == 2
    assert rooms[1] in answer.rooms


async def test_filters_by_personal_data(alice: Person, bob: Person) -> None:
    direct, favourite, low, plain = [await a_room(alice, bob) for _ in range(4)]
    await keeps(bob, "m.direct", {alice.user_id: [direct]})
    await tags(bob, favourite, "m.favourite")
    await tags(bob, low, "m.favourite")
    await tags(bob, low, "m.lowpriority")
    assert await found(bob, is_dm=True) == {direct}
    assert await found(bob, is_dm=False) == {favourite, low, plain}
    assert await found(bob, tags=["m.favourite", "u.other"]) == {favourite, low}
    assert await found(bob, not_tags=["m.lowpriority"]) == {direct, favourite, plain}
    assert await found(bob, tags=["m.favourite"], not_tags=["m.lowpriority"]) == {favourite}


async def test_filters_by_state(server: SlidingServer, alice: Person, bob: Person) -> None:
    plain = await a_room(alice, bob)
    encrypted = await a_room(alice, bob)
    await alice.sets(encrypted, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    space = await a_room(alice, bob, creation_content={"type": "m.space"})
    await alice.sets(space, "m.space.child", {"via": ["x"]}, plain)
    await alice.sets(space, "m.space.child", {}, encrypted)
    for person in (bob, server.restarted().person("bob")):
        assert await found(person, is_encrypted=True) == {encrypted}
        assert await found(person, is_encrypted=False) == {plain, space}
        assert await found(person, room_types=["m.space"]) == {space}
        assert await found(person, room_types=[None]) == {plain, encrypted}
        assert await found(person, not_room_types=["m.space"]) == {plain, encrypted}
        assert await found(person, room_types=["m.space"], not_room_types=["m.space"]) == set()
        assert await found(person, spaces=[space]) == {plain}
        assert await found(person, spaces=["!unknown:x"]) == set()


async def test_filters_by_invitation(alice: Person, bob: Person) -> None:
    joined = await a_room(alice, bob)
    invited = await alice.creates_room(preset="private_chat")
    await alice.invites(invited, bob)
    assert await found(bob, is_invite=True) == {invited}
    assert await found(bob, is_invite=False) == {joined}
    await ignores(bob, alice)
    assert await found(bob, is_invite=True) == set()


async def test_rooms_come_into_a_list_and_leave_it(alice: Person, bob: Person) -> None:
    room, space = await a_room(alice, bob), await a_room(alice, bob)
    phone = Phone(
        bob,
        lists={
            "encrypted": a_list(is_encrypted=True),
            "direct": a_list(is_dm=True),
            "space": a_list(spaces=[space]),
        },
    )
    assert (await phone.sync()).rooms == {}
    await alice.sets(room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    answer = await phone.sync()
    assert (answer.count("encrypted"), answer.count("direct")) == (1, 0)
    assert answer.rooms[room]["initial"] is True
    await keeps(bob, "m.direct", {alice.user_id: [room]})
    answer = await phone.sync()
    assert answer.count("direct") == 1
    await alice.sets(space, "m.space.child", {"via": ["x"]}, room)
    assert (await phone.sync()).count("space") == 1


async def test_subscriptions_choose_rooms_by_their_id(alice: Person, bob: Person) -> None:
    rooms = [await a_room(alice, bob) for _ in range(2)]
    hidden = await a_room(alice)
    subscriptions = {room: a_subscription() for room in (rooms[0], hidden, "!unknown:x", "junk")}
    phone = Phone(bob, lists={}, subscriptions=subscriptions)
    assert list((await phone.sync()).rooms) == [rooms[0]]
    await alice.sends(rooms[1], "hello")
    assert (await phone.sync()).is_empty
    await bob.joins(hidden)
    assert list((await phone.sync()).rooms) == [hidden]


async def test_a_new_list_is_counted_at_once(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    await a_room(alice, bob)
    phone = Phone(bob)
    await phone.sync()
    phone.lists = {"all": a_list(), "direct": a_list(is_dm=True)}
    assert (await phone.waits()).count("direct") == 0
    assert not (waiting := phone.waits(timeout_ms=1000)).called
    server.clock.advance(2)
    assert (await waiting).is_empty


async def test_the_order_outlives_a_restart(
    server: SlidingServer, alice: Person, bob: Person
) -> None:
    rooms = [await a_room(alice, bob) for _ in range(3)]
    server.clock.advance(1)
    await alice.sends(rooms[1], "hello")
    bob = server.restarted().person("bob")
    phone = Phone(bob, lists={"all": a_list((0, 0))})
    assert list((await phone.sync()).rooms) == [rooms[1]]
