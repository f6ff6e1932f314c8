"""Places of the state of a room at several points of its past, and what is known of events."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import OUTSIDE, SnapshotRow, Standing, StateAt
from homeserver.ports.rooms.gaps import Filling
from homeserver.ports.rooms.states import Gap
from storage.rooms.events import SqlEventStore
from storage.rooms.gaps import SqlGapStore
from storage.rooms.known_events import SqlKnownEvents
from storage.rooms.past_states import SqlPastStates
from storage.rooms.room_states import SqlRoomStateStore
from tests.homeserver.domain.event_factory import ALICE, BOB, a_room
from tests.storage.rooms.room_rows import RoomRows

ALICES = ("m.room.member", ALICE)
BOBS = ("m.room.member", BOB)


async def test_places_are_read_through_snapshots_upon_each_other(
    transactions: Transactions,
) -> None:
    room = RoomRows(transactions)
    await room.begins()
    store = SqlRoomStateStore(transactions)
    join = (await store.places(room.nid, StateAt(10**9)))[ALICES]
    hello = await room.says(ALICE, "hello")
    base = hello.position
    await store.store_outside(
        [],
        [
            SnapshotRow(70, room.nid, StateAt(base, {BOBS: 5, ALICES: None}), 0),
            SnapshotRow(71, room.nid, StateAt(-70, {ALICES: 6}), 1),
            SnapshotRow(72, room.nid, StateAt(-70, {BOBS: None}), 1),
        ],
    )
    held = await SqlPastStates(transactions).held(
        room.nid, [0, base, -70, -71, -72], [ALICES, BOBS]
    )
    assert held == {
        0: {},
        base: {ALICES: join},
        -70: {BOBS: 5},
        -71: {BOBS: 5, ALICES: 6},
        -72: {},
    }
    assert await SqlPastStates(transactions).held(room.nid, [-71], []) == {-71: {}}
    assert await SqlPastStates(transactions).held(room.nid, [], [ALICES]) == {}


async def test_known_events_are_found_by_their_ids(transactions: Transactions) -> None:
    room = RoomRows(transactions)
    await room.begins()
    hello = await room.says(ALICE, "hello")
    known = SqlKnownEvents(transactions)
    found = await known.known([hello.event.event_id, EventId("$nobody")])
    assert {i: (e.nid, e.room_nid, e.key, e.standing) for i, e in found.items()} == {
        hello.event.event_id: (hello.nid, room.nid, None, Standing.ACCEPTED)
    }
    assert await known.known([]) == {}


async def test_a_filling_takes_the_place_of_its_gap(transactions: Transactions) -> None:
    room = RoomRows(transactions)
    await room.begins()
    old = await room.says(ALICE, "old")
    new = await room.says(ALICE, "new")
    states = SqlRoomStateStore(transactions)
    event = a_room("12").draft("m.room.message", ALICE, {"body": "in between"})
    outlier = attrs.evolve(
        old, nid=old.nid + 7, position=OUTSIDE, standing=Standing.OUTLIER, event=event
    )
    await states.store_outside([outlier])
    gap = Gap(new.position, 0, (outlier.event.event_id,))
    left = Gap(new.position, -1, (EventId("$older"),))
    placed = attrs.evolve(outlier, position=new.position, sub=-1, standing=Standing.ACCEPTED)
    store = SqlGapStore(transactions)
    await store.fill(Filling(gap, room.nid, [placed], [], [], [], [], left))
    assert await states.gaps(room.nid) == [left]
    shown = await SqlEventStore(transactions).timeline(room.nid, backwards=True, limit=3)
    assert [each.nid for each in shown] == [new.nid, placed.nid, old.nid]
    await store.fill(Filling(left, room.nid, [], [], [], [], [], None))
    assert await states.gaps(room.nid) == []
