"""Receipts, on both engines."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import NotificationRow
from homeserver.ports.rooms.receipts import ReceiptRow
from storage.rooms.receipts import SqlReceiptStore, receipts_of_rooms
from tests.homeserver.domain.event_factory import ALICE, BOB
from tests.storage.rooms.room_rows import RoomRows


async def stored(transactions: Transactions, *nids: int) -> dict[int, list[ReceiptRow]]:
    return dict(await transactions.read(receipts_of_rooms, list(nids)))


async def test_a_receipt_takes_the_place_of_the_one_before(transactions: Transactions) -> None:
    room = RoomRows(transactions)
    await room.begins()
    one, two = await room.says(ALICE), await room.says(ALICE)
    await room.reads(BOB, one)
    second = await room.reads(BOB, two)
    assert await stored(transactions, room.nid) == {room.nid: [second]}


async def test_types_threads_and_users_have_receipts_of_their_own(
    transactions: Transactions,
) -> None:
    room = RoomRows(transactions)
    await room.begins()
    event = await room.says(ALICE)
    expected = [
        await room.reads(BOB, event),
        await room.reads(BOB, event, receipt_type="m.read.private"),
        await room.reads(BOB, event, thread="main"),
        await room.reads(BOB, event, thread=event.event.event_id),
        await room.reads(ALICE, event),
    ]
    assert await stored(transactions, room.nid) == {room.nid: expected}


async def test_receipts_are_read_by_room_and_in_order(transactions: Transactions) -> None:
    clock = [0]
    rooms = [RoomRows(transactions, clock), RoomRows(transactions, clock)]
    expected = {}
    for room in rooms:
        await room.begins()
        event = await room.says(ALICE)
        expected[room.nid] = [await room.reads(user, event) for user in (BOB, ALICE)]
    moved = await rooms[0].reads(BOB, event)
    expected[rooms[0].nid] = [expected[rooms[0].nid][1], moved]
    assert await stored(transactions, *(room.nid for room in rooms)) == expected
    assert await stored(transactions) == {}


async def test_several_receipts_are_stored_together(transactions: Transactions) -> None:
    room = RoomRows(transactions)
    await room.begins()
    receipt = await room.reads(BOB, await room.says(ALICE))
    together = [attrs.evolve(receipt, user_id=ALICE), attrs.evolve(receipt, ts=99)]
    await transactions.write(SqlReceiptStore().put, together)
    await transactions.write(SqlReceiptStore().put, [])
    found = (await stored(transactions, room.nid))[room.nid]
    assert {(r.user_id, r.ts) for r in found} == {(ALICE, receipt.ts), (BOB, 99)}


async def notified(transactions: Transactions, room: RoomRows) -> list[tuple[UserId, int]]:
    """(user, position) of the stored notifications of a room."""
    return await transactions.read(
        lambda tx: [
            (UserId(user_id), position)
            for user_id, position in tx.all(
                "SELECT user_id, position FROM notifications WHERE room_nid = ?"
                " ORDER BY user_id, position",
                (room.nid,),
            )
        ]
    )


BOTH = tuple(NotificationRow(user, notify=True, highlight=True) for user in (ALICE, BOB))


async def test_notifications_that_a_receipt_has_passed_are_forgotten(
    transactions: Transactions,
) -> None:
    clock = [0]
    room, other = RoomRows(transactions, clock), RoomRows(transactions, clock)
    for each in (room, other):
        await each.begins()
    elsewhere = await other.says(ALICE, notifications=BOTH)
    one, two, three = [await room.says(ALICE, notifications=BOTH) for _ in range(3)]
    await room.reads(BOB, two)
    assert await notified(transactions, room) == [
        (ALICE, one.position),
        (ALICE, two.position),
        (ALICE, three.position),
        (BOB, three.position),
    ]
    assert await notified(transactions, other) == [
        (ALICE, elsewhere.position),
        (BOB, elsewhere.position),
    ]
    await room.reads(BOB, three, receipt_type="m.read.private")
    assert (BOB, three.position) not in await notified(transactions, room)


async def test_a_receipt_of_a_thread_passes_the_notifications_of_that_thread_alone(
    transactions: Transactions,
) -> None:
    room = RoomRows(transactions)
    await room.begins()
    mine = (NotificationRow(BOB, notify=True, highlight=True),)
    root = await room.says(ALICE, notifications=mine)
    reply = await room.says(
        ALICE,
        relates_to={"rel_type": "m.thread", "event_id": root.event.event_id},
        notifications=mine,
    )
    last = await room.says(ALICE, notifications=mine)
    await room.reads(BOB, last, thread="main")
    assert await notified(transactions, room) == [(BOB, reply.position)]
    await room.reads(BOB, reply, thread=root.event.event_id)
    assert await notified(transactions, room) == []
