"""Reading rooms, the history of their state, and who is in them, on both engines."""

from __future__ import annotations

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import FOREVER, MembershipRow
from homeserver.ports.rooms.rooms import StateSpan
from storage.rooms.rooms import SqlRoomStore
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL
from tests.storage.rooms.room_rows import RoomRows, ids


async def test_rooms_are_found_by_id(transactions: Transactions) -> None:
    store, clock = SqlRoomStore(transactions), [0]
    rooms = [RoomRows(transactions, clock), RoomRows(transactions, clock)]
    await rooms[0].begins()
    (row,) = await store.find([RoomId(rooms[0].room_id), RoomId("!nowhere:hs")])
    assert (row.room_nid, row.room_id, row.version, row.shard, row.published) == (
        rooms[0].nid,
        rooms[0].room_id,
        "12",
        0,
        False,
    )
    assert await store.find([]) == []


async def test_a_snapshot_has_all_that_a_room_starts_from(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    await room.sets("m.room.topic", {"topic": "old"})
    topic = await room.sets("m.room.topic", {"topic": "new"})
    await room.membership(BOB, "join", "Bob")
    await room.membership(CAROL, "invite")
    said = [await room.says(ALICE, str(n), notifies=True) for n in range(3)]
    receipts = [
        await room.reads(BOB, said[1]),
        await room.reads(BOB, said[0], thread="main", receipt_type="m.read.private"),
    ]
    (snapshot,) = await store.load([room.nid], 4)
    assert snapshot.row.room_id == room.room_id
    held = {e.event.type: e.event.event_id for e in snapshot.state}
    assert held.keys() == {"m.room.create", "m.room.topic"}
    assert held["m.room.topic"] == topic.event.event_id
    assert [(m.user_id, m.membership, m.display_name) for m in snapshot.members] == [
        (ALICE, "join", None),
        (BOB, "join", "Bob"),
        (CAROL, "invite", None),
    ]
    assert ids(snapshot.tail)[1:] == ids(said)
    assert (len(snapshot.tail), snapshot.older) == (4, True)
    assert ids(snapshot.extremities) == ids(said[-1:])
    assert snapshot.receipts == receipts
    assert snapshot.tail[-1].ordinal == 3


async def test_a_tail_goes_back_to_the_beginning_of_a_young_room(
    transactions: Transactions,
) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    (snapshot,) = await store.load([room.nid], 2)
    assert (len(snapshot.tail), snapshot.older) == (2, False)
    (snapshot,) = await store.load([room.nid], 40)
    assert (len(snapshot.tail), snapshot.older) == (2, False)
    (snapshot,) = await store.load([room.nid], 1)
    assert (len(snapshot.tail), snapshot.older) == (1, True)


async def test_a_tail_keeps_the_stitched_order(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    last = await room.says(ALICE, "last")
    filled = [await room.says(ALICE, str(n), position=last.position, sub=-n) for n in (1, 2, 3)]
    (snapshot,) = await store.load([room.nid], 3)
    assert ids(snapshot.tail) == ids([filled[1], filled[0], last])
    assert snapshot.older


async def test_an_event_outside_of_the_timeline_is_in_no_tail(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    outside = await room.says(ALICE)
    await transactions.write(
        lambda tx: tx.execute(
            "UPDATE events SET position = NULL WHERE event_nid = ?", (outside.nid,)
        )
    )
    (snapshot,) = await store.load([room.nid], 40)
    assert outside.event.event_id not in ids(snapshot.tail)


async def test_many_rooms_are_loaded_apart(transactions: Transactions) -> None:
    store, clock = SqlRoomStore(transactions), [0]
    rooms = [RoomRows(transactions, clock) for _ in range(3)]
    for number, room in enumerate(rooms):
        await room.begins()
        for _ in range(number * 3):
            await room.says(ALICE)
    snapshots = {s.row.room_nid: s for s in await store.load([r.nid for r in rooms], 4)}
    assert [len(snapshots[room.nid].tail) for room in rooms] == [2, 4, 4]
    assert [snapshots[room.nid].older for room in rooms] == [False, True, True]
    assert await store.load([], 4) == []


async def test_events_that_others_relate_to_are_told(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    target, _ = await room.says(ALICE), await room.says(ALICE)
    relates_to = {"rel_type": "m.thread", "event_id": target.event.event_id}
    await room.says(BOB, relates_to=relates_to)
    (snapshot,) = await store.load([room.nid], 40)
    assert list(snapshot.related) == [target.event.event_id]


# --- state


async def test_state_at_a_position_is_what_held_its_places_then(
    transactions: Transactions,
) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    one = await room.sets("m.room.topic", {"topic": "one"})
    await room.says(ALICE)
    two = await room.sets("m.room.topic", {"topic": "two"})

    async def topic(position: int) -> int | None:
        spans = await store.state_at(room.nid, position, ["m.room.topic"])
        return spans[0].event_nid if spans else None

    assert await topic(one.position - 1) is None
    assert await topic(one.position) == one.nid
    assert await topic(two.position - 1) == one.nid
    assert await topic(two.position) == two.nid
    assert await topic(FOREVER - 1) == two.nid
    everything = await store.state_at(room.nid, two.position)
    assert {(s.type, s.state_key) for s in everything} == {
        ("m.room.create", ""),
        ("m.room.member", ALICE),
        ("m.room.topic", ""),
    }


async def test_state_changes_are_those_that_last_until_the_end(
    transactions: Transactions,
) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    before = await room.sets("m.room.name", {"name": "before"})
    await room.sets("m.room.topic", {"topic": "overtaken"})
    topic = await room.sets("m.room.topic", {"topic": "lasts"})
    name = await room.sets("m.room.name", {"name": "later"})
    later = await room.sets("m.room.topic", {"topic": "even later"})

    async def changes(after: int, until: int) -> list[int]:
        return [s.event_nid for s in await store.state_changes(room.nid, after, until)]

    assert await changes(before.position, name.position) == [topic.nid, name.nid]
    assert await changes(before.position, later.position) == [name.nid, later.nid]
    assert await changes(topic.position, topic.position) == []


async def test_the_history_of_places_is_told_in_order(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    joined = await room.membership(BOB, "join")
    topic = await room.sets("m.room.topic", {"topic": "one"})
    left = await room.membership(BOB, "leave")
    spans = await store.state_history(
        room.nid, [("m.room.topic", ""), ("m.room.member", BOB), ("m.room.name", "")]
    )
    assert spans == [
        StateSpan("m.room.member", BOB, joined.nid, joined.position, left.position),
        StateSpan("m.room.topic", "", topic.nid, topic.position, FOREVER),
        StateSpan("m.room.member", BOB, left.nid, left.position, FOREVER),
    ]


async def test_state_set_twice_in_one_batch_has_one_span_each(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    before = await room.sets("m.room.topic", {"topic": "before"})
    appends = [
        room.append(room.make(ALICE, "m.room.topic", {"topic": str(n)}, "")) for n in range(3)
    ]
    await room.write(*appends)
    spans = await store.state_history(room.nid, [("m.room.topic", "")])
    starts = [before.position, *(a.stored.position for a in appends)]
    assert [(s.from_position, s.to_position) for s in spans] == list(
        zip(starts, [*starts[1:], FOREVER], strict=True)
    )


# --- members


async def test_a_user_has_their_rooms_with_where_they_came_in(transactions: Transactions) -> None:
    store, clock = SqlRoomStore(transactions), [0]
    here, there = RoomRows(transactions, clock), RoomRows(transactions, clock)
    await here.begins()
    await there.begins()
    await here.says(ALICE, notifies=True, room_highlight=True)
    joined = await here.membership(BOB, "join")
    renamed = await here.membership(BOB, "join", "Bob")
    said = await here.says(ALICE)
    await there.membership(BOB, "invite")
    rooms = {room.room_nid: room for room in await store.rooms_of_user(BOB)}
    mine = rooms[here.nid]
    assert (mine.membership, mine.event_nid, mine.position) == (
        "join",
        renamed.nid,
        renamed.position,
    )
    assert (mine.joined_position, mine.ordinal, mine.room_highlight_ordinal) == (
        joined.position,
        1,
        1,
    )
    assert (mine.last_position, mine.shard, mine.forgotten) == (said.position, 0, False)
    assert (rooms[there.nid].membership, rooms[there.nid].joined_position) == ("invite", 0)
    receipt = await here.reads(BOB, said)
    rooms = {room.room_nid: room for room in await store.rooms_of_user(BOB)}
    assert rooms[here.nid].last_position == receipt.position
    assert await store.rooms_of_user(UserId("@nobody:hs")) == []


async def test_who_leaves_and_comes_back_came_in_the_last_time(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    await room.membership(BOB, "join")
    first = await store.room_of_user(BOB, room.nid)
    await room.membership(BOB, "leave")
    left = await store.room_of_user(BOB, room.nid)
    again = await room.membership(BOB, "join")
    back = await store.room_of_user(BOB, room.nid)
    assert first is not None
    assert left is not None
    assert back is not None
    assert (left.membership, left.joined_position) == ("leave", first.joined_position)
    assert (back.membership, back.joined_position) == ("join", again.position)
    assert await store.room_of_user(CAROL, room.nid) is None


async def test_memberships_within_one_batch_end_up_as_the_last(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    appends = []
    for membership in ("invite", "join", "leave", "join", "join"):
        event = room.make(BOB, "m.room.member", {"membership": membership}, BOB)
        append = room.append(event)
        append.membership = MembershipRow(BOB, membership, BOB, None, None)
        appends.append(append)
    await room.write(*appends)
    mine = await store.room_of_user(BOB, room.nid)
    assert mine is not None
    assert (mine.membership, mine.position) == ("join", appends[4].stored.position)
    assert mine.joined_position == appends[3].stored.position


async def test_joined_members_come_with_their_names(transactions: Transactions) -> None:
    store, room = SqlRoomStore(transactions), RoomRows(transactions)
    await room.begins()
    await room.membership(BOB, "join", "Bob")
    await room.membership(CAROL, "join")
    await room.membership(CAROL, "leave")
    assert sorted(await store.joined_members(room.nid)) == [
        (ALICE, None, None),
        (BOB, "Bob", None),
    ]
