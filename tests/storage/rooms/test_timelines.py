"""The timelines of many rooms at once, on both engines."""

from __future__ import annotations

from collections.abc import Collection

from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import FOREVER, StoredEvent
from homeserver.ports.rooms.rooms import Order
from homeserver.ports.rooms.timelines import Sought
from storage.rooms.timelines import SqlTimelineStore
from tests.homeserver.domain.event_factory import ALICE, BOB
from tests.storage.rooms.room_rows import RoomRows

EVERYTHING = Sought()


async def two_rooms(transactions: Transactions) -> list[RoomRows]:
    clock = [0]
    rooms = [RoomRows(transactions, clock), RoomRows(transactions, clock)]
    for room in rooms:
        await room.begins()
        await room.membership(BOB, "join")
    return rooms


async def newest(
    transactions: Transactions,
    room: RoomRows,
    count: int = 100,
    sought: Sought = EVERYTHING,
    until: int = FOREVER,
) -> tuple[list[EventId], Order]:
    """The events that are found in a room, and the place after which these are all."""
    found = await SqlTimelineStore(transactions).newest([room.nid], until, count, sought)
    return ids(found[room.nid].events), found[room.nid].after


def ids(events: Collection[StoredEvent]) -> list[EventId]:
    return [stored.event.event_id for stored in events]


async def test_many_rooms_are_read_at_once(transactions: Transactions) -> None:
    rooms = await two_rooms(transactions)
    said = {room.nid: [await room.says(ALICE) for _ in range(2)] for room in rooms}
    found = await SqlTimelineStore(transactions).newest(
        [room.nid for room in rooms], FOREVER, 2, EVERYTHING
    )
    assert {nid: ids(of_room.events) for nid, of_room in found.items()} == {
        nid: ids(events) for nid, events in said.items()
    }
    assert await SqlTimelineStore(transactions).newest([], FOREVER, 2, EVERYTHING) == {}


async def test_the_newest_events_end_where_the_reader_is(transactions: Transactions) -> None:
    room, _ = await two_rooms(transactions)
    events = [await room.says(ALICE) for _ in range(5)]
    found, after = await newest(transactions, room, 2, until=events[3].position)
    assert found == ids(events[2:4])
    assert after == events[1].order


async def test_a_short_room_is_read_whole(transactions: Transactions) -> None:
    room, _ = await two_rooms(transactions)
    event = await room.says(ALICE)
    found, after = await newest(transactions, room)
    assert (len(found), found[-1], after) == (4, event.event.event_id, (-1, 0))


async def test_what_was_filled_in_later_stands_in_its_place(transactions: Transactions) -> None:
    room, _ = await two_rooms(transactions)
    one, two = await room.says(ALICE), await room.says(ALICE)
    late = await room.says(BOB, position=two.position, sub=-1)
    found, after = await newest(transactions, room, 2)
    assert (found, after) == (ids([late, two]), one.order)
    # Places within a position are not told apart: rather one too few.
    found, after = await newest(transactions, room, 1)
    assert (found, after) == ([], (two.position, 0))


async def test_state_comes_along_with_the_types_and_senders_looked_for(
    transactions: Transactions,
) -> None:
    room, _ = await two_rooms(transactions)
    start = await room.says(ALICE)
    await room.says(ALICE)
    wanted = await room.says(BOB, type="org.example.ping")
    await room.says(ALICE, type="org.example.ping")
    topic = await room.sets("m.room.topic", {"topic": "Roses"})
    sought = Sought(types={"org.example.ping", "m.unknown"}, senders={BOB})
    found, after = await newest(transactions, room, 4, sought)
    assert (found, after) == (ids([wanted, topic]), start.order)
    found, _ = await newest(transactions, room, 4, Sought(types=()))
    assert found == ids([topic])


async def test_relations_are_looked_up_by_type_and_sender(transactions: Transactions) -> None:
    room, other = await two_rooms(transactions)
    store = SqlTimelineStore(transactions)
    one, two, lonely = [await room.says(ALICE) for _ in range(3)]
    targets = ids([one, two, lonely])
    await room.says(BOB, relates_to={"rel_type": "m.thread", "event_id": targets[0]})
    await room.says(ALICE, relates_to={"rel_type": "m.reference", "event_id": targets[1]})
    await other.says(BOB, relates_to={"rel_type": "m.thread", "event_id": targets[1]})

    async def related(
        rel_types: Collection[str] | None, senders: Collection[str] | None
    ) -> set[EventId]:
        found = await store.having_related(targets, rel_types=rel_types, senders=senders)
        return {event_id for room_nid, event_id in found if room_nid == room.nid}

    assert await related(None, None) == set(targets[:2])
    assert await related({"m.thread"}, None) == {targets[0]}
    assert await related(None, {ALICE}) == {targets[1]}
    assert await related({"m.thread"}, {ALICE}) == set()
    assert await related((), None) == set()
