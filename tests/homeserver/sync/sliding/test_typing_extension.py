"""The extension typing."""

from __future__ import annotations

import pytest

from homeserver.sync.sliding.extensions.typing import TypingExtension
from tests.homeserver.sync.sliding.extension_rounds import LIST, Asking
from tests.rooms_fixture import Person
from tests.sync_fixture import SyncServer, a_room, ignores, types


def event(*people: Person) -> object:
    return {"type": "m.typing", "content": {"user_ids": [p.user_id for p in people]}}


@pytest.fixture
def asking(server: SyncServer, alice: Person) -> Asking:
    return Asking(TypingExtension(server.directory), alice)


async def test_who_types_is_told_with_the_room_and_when_it_changes(
    asking: Asking, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    await types(bob, room)
    assert await asking.turn(initial=[room]) == {"rooms": {room: event(bob)}}
    assert await asking.turn() is None
    await types(bob, room, False)
    assert await asking.has_news()
    assert await asking.turn() == {"rooms": {room: event()}}
    assert not await asking.has_news()


async def test_where_nobody_types_nothing_is_told(
    asking: Asking, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    await types(bob, room)
    await types(bob, room, False)
    assert await asking.turn(initial=[room]) is None
    await alice.sends(room, "hello")
    assert not await asking.has_news()
    assert await asking.turn() is None


async def test_a_lost_answer_is_told_again(asking: Asking, alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await types(bob, room)
    first, _ = await asking.look(initial=[room])
    assert await asking.turn(initial=[room]) == first
    await types(bob, room, False)
    lost, _ = await asking.look()
    assert await asking.turn() == lost == {"rooms": {room: event()}}


async def test_a_room_that_comes_back_into_scope_is_brought_up_to_date(
    asking: Asking, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    await asking.turn(initial=[room])
    await asking.leaves_window(room)
    await asking.turn()
    await types(bob, room)
    assert await asking.turn() is None
    await asking.returns(room)
    lost, _ = await asking.look()
    assert await asking.turn() == lost == {"rooms": {room: event(bob)}}
    assert await asking.turn() is None


async def test_one_learns_nothing_of_rooms_one_is_not_in(
    asking: Asking, alice: Person, bob: Person
) -> None:
    room = await bob.creates_room(preset="private_chat")
    await bob.invites(room, alice)
    await types(bob, room)
    assert await asking.turn(initial=[room]) is None
    await alice.joins(room)
    assert await asking.turn() == {"rooms": {room: event(bob)}}
    await bob.bans(room, alice)
    await types(bob, room, False)
    assert await asking.turn() is None


@pytest.mark.parametrize(
    ("lists", "rooms", "is_told"),
    [
        (None, None, True),
        ([LIST], [], True),
        (["*"], [], True),
        ([], None, False),
        (["other"], [], False),
    ],
)
async def test_lists_are_chosen_by_name(
    asking: Asking,
    alice: Person,
    bob: Person,
    lists: list[str] | None,
    rooms: list[str] | None,
    is_told: bool,
) -> None:
    room = await a_room(alice, bob)
    await asking.turn(initial=[room], lists=lists, rooms=rooms)
    await types(bob, room)
    assert (await asking.turn(lists=lists, rooms=rooms) is not None) == is_told


async def test_subscriptions_are_chosen_by_room(asking: Asking, alice: Person, bob: Person) -> None:
    room, other = await a_room(alice, bob), await a_room(alice, bob)
    for each in (room, other):
        await asking.subscribes(each)
        await types(bob, each)
    chosen = {"lists": [], "rooms": [room, "!unknown:hs"]}
    assert await asking.turn(initial=[room, other], **chosen) == {"rooms": {room: event(bob)}}
    # What the restriction kept back is told when it is another one.
    chosen["rooms"] = [other]
    assert await asking.turn(**chosen) == {"rooms": {other: event(bob)}}


async def test_ignored_users_do_not_type(asking: Asking, alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    await ignores(alice, bob)
    await types(bob, room)
    assert await asking.turn(initial=[room]) in (None, {"rooms": {room: event()}})
