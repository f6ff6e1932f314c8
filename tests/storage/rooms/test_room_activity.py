"""What happened in rooms last, and of what kind they are, on both engines."""

from __future__ import annotations

from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import StateChange, StoredEvent
from homeserver.ports.rooms.room_activity import LastEvent, RoomKind
from storage.rooms.room_activity import SqlRoomActivityStore
from tests.homeserver.domain.event_factory import ALICE, BOB
from tests.storage.rooms.room_rows import RoomRows


async def two_rooms(transactions: Transactions) -> list[RoomRows]:
    clock = [0]
    rooms = [RoomRows(transactions, clock), RoomRows(transactions, clock)]
    for room in rooms:
        await room.begins()
    return rooms


def last(room: RoomRows, stored: StoredEvent) -> LastEvent:
    return LastEvent(room.nid, stored.position, stored.event.origin_server_ts)


async def test_the_newest_events_of_rooms(transactions: Transactions) -> None:
    first, second = await two_rooms(transactions)
    store = SqlRoomActivityStore(transactions)
    said = [await room.says(ALICE, ts=50) for room in (second, first)]
    assert sorted(await store.last_events([first.nid, second.nid])) == sorted(
        [last(second, said[0]), last(first, said[1])]
    )
    assert await store.last_events([]) == []


async def test_the_newest_events_of_some_types(transactions: Transactions) -> None:
    first, second = await two_rooms(transactions)
    store = SqlRoomActivityStore(transactions)
    said = await first.says(ALICE)
    for room in (first, second):
        await room.membership(BOB, "join")
    found = await store.last_events_of_types([first.nid, second.nid], ["m.room.message"])
    assert found == [last(first, said)]


async def test_single_events(transactions: Transactions) -> None:
    first, second = await two_rooms(transactions)
    said = [await room.says(ALICE) for room in (first, second)]
    found = await SqlRoomActivityStore(transactions).events([e.nid for e in said] + [12345])
    assert sorted(found) == sorted([last(first, said[0]), last(second, said[1])])


async def test_kinds_of_rooms(transactions: Transactions) -> None:
    first, second = await two_rooms(transactions)
    await second.sets("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    found = await SqlRoomActivityStore(transactions).kinds([first.nid, second.nid])
    assert sorted(found) == [
        RoomKind(first.nid, None, is_encrypted=False),
        RoomKind(second.nid, None, is_encrypted=True),
    ]


async def test_places_that_nothing_holds_any_more(transactions: Transactions) -> None:
    room, _ = await two_rooms(transactions)
    store = SqlRoomActivityStore(transactions)
    await room.sets("m.room.name", {"name": "Garden"})
    topic = await room.sets("m.room.topic", {"topic": "Roses"})
    await room.sets("m.room.name", {"name": "Meadow"})
    emptied = await room.says(ALICE, resolved=(StateChange(("m.room.topic", ""), None),))
    before, after = topic.position, emptied.position
    assert await store.emptied_places(room.nid, before, after) == [("m.room.topic", "")]
    assert await store.emptied_places(room.nid, before, after - 1) == []
    assert await store.emptied_places(room.nid, after, after + 1) == []
