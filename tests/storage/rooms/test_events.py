"""Reading events, on both engines."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Transactions, UniqueViolation
from homeserver.ports.rooms.rooms import Order
from storage.rooms.events import SqlEventStore
from tests.homeserver.domain.event_factory import ALICE, BOB
from tests.storage.rooms.room_rows import RoomRows, ids

START = 1_700_000_000_000

FIELDS = (
    "nid",
    "room_nid",
    "position",
    "sub",
    "state_position",
    "replaces_nid",
    "ordinal",
    "room_highlight_ordinal",
    "notifies",
    "room_highlight",
    "thread_root",
    "device_id",
    "txn_id",
    "redacted_by",
)


async def test_an_event_is_read_as_it_was_written(transactions: Transactions) -> None:
    store, room = SqlEventStore(transactions), RoomRows(transactions)
    await room.begins()
    written = await room.says(
        BOB,
        "你好 \0",
        notifies=True,
        room_highlight=True,
        device_id="PHONE",
        txn_id="t1",
        relates_to={"rel_type": "m.thread", "event_id": "$root"},
    )
    by_nid = await store.by_nid([written.nid, 0])
    by_id = await store.by_id([written.event.event_id, EventId("$nothing")])
    for (read,) in (by_nid, by_id):
        assert read.event == written.event
        assert read.event.content["body"] == "你好 \0"
        for name in FIELDS:
            assert getattr(read, name) == getattr(written, name), name
        assert read.notifies is True
    assert await store.by_nid([]) == []
    assert await store.by_id([]) == []


async def test_an_event_cannot_be_written_twice(transactions: Transactions) -> None:
    room = RoomRows(transactions)
    await room.begins()
    append = room.append(room.make(ALICE, "m.room.message", {}, None))
    await room.write(append)
    with pytest.raises(UniqueViolation):
        await room.write(append)


async def test_a_batch_that_fails_leaves_nothing_behind(transactions: Transactions) -> None:
    store, room = SqlEventStore(transactions), RoomRows(transactions)
    await room.begins()
    good = room.append(room.make(ALICE, "m.room.topic", {"topic": "x"}, ""))
    with pytest.raises(UniqueViolation):
        await room.write(good, good)
    assert await store.by_nid([good.stored.nid]) == []


@pytest.mark.parametrize(
    ("after", "until", "expected"),
    [
        (None, None, [0, 1, 2, 3, 4]),
        ((12, 0), None, [4]),
        ((12, -1), None, [3, 4]),
        ((12, -2), None, [2, 3, 4]),
        ((11, 0), None, [1, 2, 3, 4]),
        (None, (12, -1), [0, 1, 2]),
        (None, (12, 0), [0, 1, 2, 3]),
        ((11, 0), (12, -2), [1]),
        ((12, 0), (11, 0), []),
    ],
)
async def test_a_timeline_is_read_between_places_in_either_direction(
    transactions: Transactions, after: Order | None, until: Order | None, expected: list[int]
) -> None:
    store, room = SqlEventStore(transactions), RoomRows(transactions)
    await room.begins()
    first = [await room.says(ALICE, position=p, sub=s) for p, s in ((11, 0), (12, -2), (12, -1))]
    events = [*first, await room.says(ALICE, position=12), await room.says(ALICE, position=13)]
    outside = await room.says(ALICE)
    await transactions.write(
        lambda tx: tx.execute(
            "UPDATE events SET position = NULL WHERE event_nid = ?", (outside.nid,)
        )
    )
    low = after or (10, 0)
    found = await store.timeline(room.nid, after=low, until=until, backwards=False, limit=10)
    assert ids(found) == ids([events[i] for i in expected])
    found = await store.timeline(room.nid, after=low, until=until, backwards=True, limit=10)
    assert ids(found) == ids([events[i] for i in reversed(expected)])
    found = await store.timeline(room.nid, after=low, until=until, backwards=True, limit=2)
    assert ids(found) == ids([events[i] for i in reversed(expected)][:2])


async def test_a_timeline_without_bounds_has_everything_but_what_is_outside(
    transactions: Transactions,
) -> None:
    store, room = SqlEventStore(transactions), RoomRows(transactions)
    await room.begins()
    said, outside = await room.says(ALICE), await room.says(ALICE)
    await transactions.write(
        lambda tx: tx.execute(
            "UPDATE events SET position = NULL WHERE event_nid = ?", (outside.nid,)
        )
    )
    backwards = await store.timeline(room.nid, backwards=True, limit=10)
    forwards = await store.timeline(room.nid, backwards=False, limit=10)
    assert ids(backwards)[0] == said.event.event_id
    assert ids(forwards) == ids(backwards)[::-1]
    assert len(forwards) == 3


async def test_a_redacted_event_is_read_without_its_content(transactions: Transactions) -> None:
    store, room = SqlEventStore(transactions), RoomRows(transactions)
    await room.begins()
    secret, other = await room.says(ALICE, "secret"), await room.says(ALICE, "other")
    await room.redacts(secret)
    (read,) = await store.by_nid([secret.nid])
    assert read.event.content == {}
    assert read.event.event_id == secret.event.event_id
    assert read.redacted_by is not None
    (read,) = await store.by_nid([other.nid])
    assert (read.event.content, read.redacted_by) == ({"body": "other"}, None)


async def test_transactions_of_a_device_are_read_newest_first(transactions: Transactions) -> None:
    store, room = SqlEventStore(transactions), RoomRows(transactions)
    await room.begins()
    sent = [await room.says(ALICE, device_id="PHONE", txn_id=f"t{n}") for n in range(4)]
    await room.says(ALICE, device_id="LAPTOP", txn_id="t0")
    await room.says(BOB, device_id="PHONE", txn_id="t0")
    await room.says(ALICE)
    expected = [(f"t{n}", "m.room.message", sent[n].event.event_id) for n in (3, 2, 1)]
    assert await store.transactions(room.nid, ALICE, "PHONE", 3) == expected
    found = await store.by_transaction(room.nid, ALICE, "PHONE", "t1", "m.room.message")
    assert found == sent[1].event.event_id
    assert await store.by_transaction(room.nid, ALICE, "PHONE", "t1", "m.reaction") is None
    with pytest.raises(UniqueViolation):
        await room.says(ALICE, device_id="PHONE", txn_id="t1")


async def test_the_events_nearest_to_a_time(transactions: Transactions) -> None:
    store, room = SqlEventStore(transactions), RoomRows(transactions)
    await room.begins()
    events = [await room.says(ALICE, ts=START + offset) for offset in (10_000, 30_000, 20_000)]

    async def nearest(offset: int, limit: int = 1, *, backwards: bool) -> list[EventId]:
        found = await store.nearest_to_time(
            room.nid, START + offset, backwards=backwards, limit=limit
        )
        return ids(found)

    assert await nearest(15_000, backwards=False) == ids([events[2]])
    assert await nearest(20_000, backwards=False) == ids([events[2]])
    assert await nearest(20_000, backwards=True) == ids([events[2]])
    assert await nearest(19_999, backwards=True) == ids([events[0]])
    assert await nearest(10_000, 3, backwards=False) == ids([events[0], events[2], events[1]])
    assert await nearest(30_001, backwards=False) == []
    assert await nearest(-10_000, backwards=True) == []
