"""Counting what a user has not read, on both engines."""

from __future__ import annotations

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import FOREVER, NotificationRow, StoredEvent
from homeserver.ports.rooms.unread import Place, Tally
from storage.rooms.unread import SqlUnreadStore
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL
from tests.storage.rooms.room_rows import RoomRows

MENTIONED = (NotificationRow(BOB, notify=True, highlight=True),)
KEYWORD = (NotificationRow(BOB, notify=True, highlight=False),)


async def a_room(transactions: Transactions, clock: list[int] | None = None) -> RoomRows:
    room = RoomRows(transactions, clock)
    await room.begins()
    await room.membership(BOB, "join")
    return room


async def tally(
    transactions: Transactions, room: RoomRows, *ignored: UserId, until: int = FOREVER
) -> Tally:
    store = SqlUnreadStore(transactions)
    found = await store.tallies(BOB, list(ignored), [room.nid], until)
    return found[0] if found else Tally(room.nid)


async def threads(
    transactions: Transactions, room: RoomRows, *ignored: UserId, individual: bool = False
) -> dict[EventId | None, tuple[int, int]]:
    found = await SqlUnreadStore(transactions).threads(
        BOB, list(ignored), [room.nid], FOREVER, individual=[room.nid] if individual else []
    )
    return {t.thread_root: (t.notify, t.highlight) for t in found if t.notify or t.highlight}


def in_thread(root: StoredEvent) -> dict[str, str]:
    return {"rel_type": "m.thread", "event_id": root.event.event_id}


async def test_what_ordinals_express_needs_no_tally(transactions: Transactions) -> None:
    room = await a_room(transactions)
    await room.says(ALICE, notifies=True)
    await room.says(ALICE, notifies=True, room_highlight=True)
    assert await tally(transactions, room) == Tally(room.nid)


async def test_the_newest_message_of_ones_own_is_told(transactions: Transactions) -> None:
    room = await a_room(transactions)
    await room.says(ALICE, notifies=True, room_highlight=True)
    await room.says(BOB, notifies=True)
    own = await room.says(BOB, notifies=True)
    await room.says(BOB)
    assert (await tally(transactions, room)).own == Place(own.position, 3, 1)
    assert (await tally(transactions, room, until=own.position - 1)).own == Place(
        own.position - 1, 2, 1
    )


async def test_own_rows_count_wherever_the_ordinals_do_not(transactions: Transactions) -> None:
    room = await a_room(transactions)
    await room.says(ALICE, notifies=True, notifications=MENTIONED)
    await room.says(ALICE, notifies=True, room_highlight=True, notifications=MENTIONED)
    await room.says(ALICE, notifications=KEYWORD)
    last = await room.says(ALICE, notifications=(NotificationRow(CAROL, True, True),))
    assert await tally(transactions, room) == Tally(
        room.nid, notify=3, highlight=2, extra_notify=1, extra_highlight=1
    )
    assert await tally(transactions, room, until=last.position - 2) == Tally(
        room.nid, notify=2, highlight=2, extra_notify=0, extra_highlight=1
    )


async def test_what_was_read_is_not_counted(transactions: Transactions) -> None:
    room = await a_room(transactions)
    events = [await room.says(ALICE, notifications=MENTIONED) for _ in range(4)]
    await room.reads(BOB, events[0])
    assert (await tally(transactions, room)).notify == 3
    await room.reads(BOB, events[2], receipt_type="m.read.private")
    assert (await tally(transactions, room)).notify == 1
    await room.says(BOB, notifies=True)
    assert (await tally(transactions, room)).notify == 0


async def test_what_came_before_one_joined_is_not_counted(transactions: Transactions) -> None:
    room = await a_room(transactions)
    await room.says(ALICE, notifications=MENTIONED)
    await room.membership(BOB, "leave")
    await room.membership(BOB, "join")
    assert await tally(transactions, room) == Tally(room.nid)


async def test_ignored_users_are_excluded_and_their_mentions_too(
    transactions: Transactions,
) -> None:
    room = await a_room(transactions)
    await room.membership(CAROL, "join")
    await room.says(CAROL, notifies=True, notifications=MENTIONED)
    await room.says(CAROL, notifies=True, room_highlight=True)
    await room.says(ALICE, notifies=True, notifications=MENTIONED)
    assert await tally(transactions, room, CAROL) == Tally(
        room.nid, None, 2, 1, notify=1, highlight=1, extra_notify=0, extra_highlight=1
    )


async def test_rooms_are_tallied_apart(transactions: Transactions) -> None:
    clock = [0]
    rooms = [await a_room(transactions, clock) for _ in range(3)]
    for number, room in enumerate(rooms):
        for _ in range(number):
            await room.says(ALICE, notifications=MENTIONED)
    store = SqlUnreadStore(transactions)
    found = await store.tallies(BOB, [], [room.nid for room in rooms], FOREVER)
    assert {t.room_nid: t.notify for t in found} == {rooms[1].nid: 1, rooms[2].nid: 2}
    assert await store.tallies(BOB, [CAROL], [], FOREVER) == []


async def test_threads_are_counted_apart_from_the_main_timeline(
    transactions: Transactions,
) -> None:
    room = await a_room(transactions)
    root = await room.says(ALICE, notifies=True)
    await room.says(ALICE, notifies=True, room_highlight=True, relates_to=in_thread(root))
    await room.says(ALICE, notifies=True, relates_to=in_thread(root), notifications=MENTIONED)
    await room.says(ALICE, notifications=KEYWORD)
    assert await threads(transactions, room) == {None: (2, 0), root.event.event_id: (2, 2)}
    assert await threads(transactions, room, individual=True) == {
        None: (1, 0),
        root.event.event_id: (1, 1),
    }
    assert await threads(transactions, room, ALICE) == {}


async def test_each_thread_is_read_by_its_own_receipts(transactions: Transactions) -> None:
    room = await a_room(transactions)
    root, other = await room.says(ALICE, notifies=True), await room.says(ALICE, notifies=True)
    thread = [
        await room.says(ALICE, notifies=True, relates_to=in_thread(root), notifications=MENTIONED)
        for _ in range(3)
    ]
    await room.says(ALICE, notifies=True, relates_to=in_thread(other))
    await room.reads(BOB, root, thread="main")
    await room.reads(BOB, thread[0], thread=root.event.event_id)
    assert await threads(transactions, room) == {
        None: (1, 0),
        root.event.event_id: (2, 2),
        other.event.event_id: (1, 0),
    }
    await room.reads(BOB, thread[2])
    assert await threads(transactions, room) == {other.event.event_id: (1, 0)}
