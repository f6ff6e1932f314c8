"""Up to where users have read."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.errors import Forbidden, InvalidParam, NotFound
from homeserver.domain.identifiers import EventId, RoomId
from homeserver.log.entries import ReceiptEntry
from homeserver.ports.database import DatabaseDown
from homeserver.ports.rooms.receipts import UNTHREADED, ReceiptRow
from homeserver.rooms.view import TAIL
from homeserver.services.messages.receipts import MAIN, READ, READ_PRIVATE
from tests.homeserver.personal_server import ALICE, BOB, CAROL, PersonalServer

NOWHERE = EventId("$nowhere")


def told(server: PersonalServer) -> list[ReceiptEntry]:
    return [entry for entry in server.entries if isinstance(entry, ReceiptEntry)]


def stored(server: PersonalServer) -> list[tuple[str, str, str, str]]:
    return server.database.sqlite._read(
        lambda tx: tx.all(
            "SELECT user_id, receipt_type, thread_id, event_id FROM receipts ORDER BY position"
        ),
        (),
        {},
    )


async def test_a_receipt_says_where_in_the_room_its_user_has_read() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    event = await server.say(ALICE, room)
    await server.say(ALICE, room)
    await server.receipts.move(BOB, room.view.room_id, READ, event.event.event_id)
    (entry,) = told(server)
    receipt = ReceiptRow(
        room_nid=room.view.nid,
        user_id=BOB,
        receipt_type=READ,
        thread_id=UNTHREADED,
        event_id=event.event.event_id,
        ts=server.clock.now_ms(),
        position=entry.position,
        read_position=event.position,
        read_sub=event.sub,
        read_ordinal=event.ordinal,
        read_room_highlight_ordinal=event.room_highlight_ordinal,
    )
    assert entry == ReceiptEntry(room.view.shard, entry.position, room.view.nid, (receipt,))
    assert room.view.read_receipt(BOB) == receipt
    again = server.restarted()
    assert (await again.directory.by_nid(room.view.nid)).view.read_receipt(BOB) == receipt


async def test_a_receipt_for_one_of_the_newest_events_asks_the_database_nothing() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    event = await server.say(ALICE, room)
    server.database.reads = server.database.writes = 0
    await server.receipts.move(BOB, room.view.room_id, READ, event.event.event_id)
    assert (server.database.reads, server.database.writes) == (0, 1)


async def test_an_old_event_can_be_read_too() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    event = await server.say(ALICE, room)
    for _ in range(TAIL):
        await server.say(ALICE, room)
    await server.receipts.move(BOB, room.view.room_id, READ, event.event.event_id)
    receipt = room.view.read_receipt(BOB)
    assert receipt is not None
    assert receipt.event_id == event.event.event_id


async def test_a_receipt_does_not_move_back() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    older = await server.say(ALICE, room)
    newer = await server.say(ALICE, room)
    await server.receipts.move(BOB, room.view.room_id, READ, newer.event.event_id)
    await server.receipts.move(BOB, room.view.room_id, READ, older.event.event_id)
    await server.receipts.move(BOB, room.view.room_id, READ, newer.event.event_id)
    assert len(told(server)) == 1
    await server.receipts.move(BOB, room.view.room_id, READ_PRIVATE, older.event.event_id)
    assert len(told(server)) == 2


async def test_receipts_that_come_during_a_commit_are_stored_together() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB, CAROL)
    events = [await server.say(ALICE, room) for _ in range(3)]
    ids = [event.event.event_id for event in events]
    server.database.writes = 0
    server.database.hold_commits = True
    moves = [
        Deferred.fromCoroutine(server.receipts.move(user_id, room.view.room_id, READ, event_id))
        for user_id, event_id in [
            (ALICE, ids[0]),
            (BOB, ids[1]),
            (CAROL, ids[0]),
            (BOB, ids[2]),  # overtakes the one before
            (BOB, ids[0]),  # is behind already
            (ALICE, ids[0]),  # is on its way
        ]
    ]
    assert not any(move.called for move in moves)
    server.database.release()
    for move in moves:
        await move
    assert server.database.writes == 2
    assert [[r.user_id for r in entry.receipts] for entry in told(server)] == [
        [ALICE],
        [BOB, CAROL],
    ]
    assert stored(server) == [
        (ALICE, READ, "", ids[0]),
        (BOB, READ, "", ids[2]),
        (CAROL, READ, "", ids[0]),
    ]


async def test_a_receipt_that_could_not_be_stored_is_not_acknowledged() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    event = await server.say(ALICE, room)
    server.database.hold_commits = True
    first, second = (
        Deferred.fromCoroutine(
            server.receipts.move(BOB, room.view.room_id, READ, event.event.event_id)
        )
        for _ in range(2)
    )
    server.database.broken = True
    server.database.release()
    for move in (first, second):
        with pytest.raises(DatabaseDown):
            await move
    server.database.broken = False
    await server.receipts.move(BOB, room.view.room_id, READ, event.event.event_id)
    assert [row[3] for row in stored(server)] == [event.event.event_id]


async def test_only_members_read_and_only_what_is_in_the_room() -> None:
    server = PersonalServer()
    room, other = await server.room(ALICE), await server.room(ALICE)
    event, elsewhere = await server.say(ALICE, room), await server.say(ALICE, other)
    with pytest.raises(Forbidden):
        await server.receipts.move(BOB, room.view.room_id, READ, event.event.event_id)
    with pytest.raises(Forbidden):
        await server.receipts.move(ALICE, RoomId("!unknown"), READ, event.event.event_id)
    for event_id in (elsewhere.event.event_id, NOWHERE):
        with pytest.raises(NotFound):
            await server.receipts.move(ALICE, room.view.room_id, READ, event_id)


async def test_a_threaded_receipt_must_fit_the_thread_of_its_event() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    root = await server.say(ALICE, room)
    main = await server.say(ALICE, room)
    relates = {"rel_type": "m.thread", "event_id": root.event.event_id}
    reply = await server.say(ALICE, room, **{"m.relates_to": relates})
    edit = {"rel_type": "m.replace", "event_id": reply.event.event_id}
    edited = await server.say(ALICE, room, **{"m.relates_to": edit})
    lost = {"rel_type": "m.reference", "event_id": "$lost"}
    stray = await server.say(ALICE, room, **{"m.relates_to": lost})

    async def move(event_id: str, thread_id: str) -> None:
        await server.receipts.move(ALICE, room.view.room_id, READ, EventId(event_id), thread_id)

    thread = root.event.event_id
    for event, thread_id in [
        (root, MAIN),
        (main, MAIN),
        (stray, MAIN),
        (root, thread),
        (reply, thread),
        (edited, thread),
    ]:
        await move(event.event.event_id, thread_id)
    for event, thread_id in [
        (reply, MAIN),
        (edited, MAIN),
        (main, thread),
        (main, NOWHERE),
        (reply, main.event.event_id),
    ]:
        with pytest.raises(InvalidParam):
            await move(event.event.event_id, thread_id)
    assert set(room.view.receipts) == {(ALICE, READ, MAIN), (ALICE, READ, thread)}
    assert room.view.threaded_readers[ALICE] == {MAIN, thread}
