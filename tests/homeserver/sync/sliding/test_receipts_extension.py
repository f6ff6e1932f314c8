"""The extension receipts."""

from __future__ import annotations

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.sync.sliding.extensions.receipts import ReceiptsExtension
from tests.homeserver.sync.sliding.extension_rounds import Asking
from tests.rooms_fixture import Person
from tests.sync_fixture import SyncServer, a_room, reads, relates, said


def receipts(answer: JsonObject | None, room: str) -> dict[tuple[str, str, str], str]:
    """By event, type and user: the thread, or ""."""
    if answer is None:
        return {}
    (event,) = [event for room_id, event in answer["rooms"].items() if room_id == room]
    assert event["type"] == "m.receipt"
    return {
        (event_id, type, user): receipt.get("thread_id", "")
        for event_id, by_type in event["content"].items()
        for type, by_user in by_type.items()
        for user, receipt in by_user.items()
    }


@pytest.fixture
def asking(server: SyncServer, alice: Person) -> Asking:
    return Asking(ReceiptsExtension(server.directory), alice, timeline_limit=2)


async def test_receipts_that_move_are_told_once(asking: Asking, alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    said_first = await alice.sends(room, "hello")
    await asking.turn(initial=[room])
    await reads(bob, room, said_first)
    assert await asking.has_news()
    assert receipts(await asking.turn(), room) == {(said_first, "m.read", bob.user_id): ""}
    assert await asking.turn() is None
    assert not await asking.has_news()


async def test_a_room_comes_with_the_receipts_of_its_timeline_and_ones_own(
    asking: Asking, alice: Person, bob: Person, carol: Person
) -> None:
    room = await a_room(alice, bob, carol)
    events = [await alice.sends(room, str(number)) for number in range(4)]
    await reads(alice, room, events[0])
    await reads(bob, room, events[1])
    await reads(carol, room, events[2])
    assert receipts(await asking.turn(initial=[room]), room) == {
        (events[0], "m.read", alice.user_id): "",
        (events[2], "m.read", carol.user_id): "",
    }
    # More of the timeline brings the receipts that stand there.
    asking.timeline_limit = 20
    answer = receipts(await asking.turn(expanded=[room]), room)
    assert (events[1], "m.read", bob.user_id) in answer


async def test_private_receipts_are_for_their_own_user(
    asking: Asking, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "hello")
    await asking.turn(initial=[room])
    await reads(bob, room, event, private=True)
    assert not await asking.has_news()
    assert await asking.turn() is None
    await reads(alice, room, event, private=True)
    assert receipts(await asking.turn(), room) == {(event, "m.read.private", alice.user_id): ""}


async def test_threaded_receipts_say_so(asking: Asking, alice: Person, bob: Person) -> None:
    room = await a_room(alice, bob)
    root = await alice.sends(room, "root")
    reply = await said(alice, room, relates("m.thread", root))
    await asking.turn(initial=[room])
    await reads(bob, room, reply, thread=root)
    assert receipts(await asking.turn(), room) == {(reply, "m.read", bob.user_id): root}
    # At one event there is place for one receipt: who has read everything has read the thread.
    await reads(bob, room, reply)
    assert receipts(await Asking(asking.extension, alice).turn(initial=[room]), room) == {
        (reply, "m.read", bob.user_id): ""
    }


async def test_what_moved_out_of_scope_is_told_when_the_room_is_back(
    asking: Asking, alice: Person, bob: Person
) -> None:
    room = await a_room(alice, bob)
    event = await alice.sends(room, "hello")
    await asking.turn(initial=[room])
    await asking.leaves_window(room)
    await asking.turn()
    await reads(bob, room, event)
    assert await asking.turn() is None
    await asking.returns(room)
    assert receipts(await asking.turn(), room) == {(event, "m.read", bob.user_id): ""}
    assert await asking.turn() is None
