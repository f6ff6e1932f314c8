"""Cursors of destinations, and which servers are in which rooms."""

from __future__ import annotations

from homeserver.domain.identifiers import ServerName
from homeserver.ports.federation.outbound import (
    CursorChanges,
    OutboundMessage,
    Presence,
    ServerMove,
    Window,
)
from homeserver.ports.rooms.events import FOREVER
from storage.federation.outbound import SqlOutboundStore
from storage.federation.outbound_messages import SqlOutboundMessageStore
from tests.rooms_fixture import SERVER, RoomsServer

A, B, C = (ServerName(f"{name}.example") for name in "abc")
ROOM = 7


def spans(rooms: RoomsServer) -> list[tuple[object, ...]]:
    """Which servers are or were in rooms, from when until when."""
    return rooms.rows(
        "SELECT server_name, from_position, until_position FROM room_servers"
        " ORDER BY server_name, from_position"
    )


async def test_cursors_are_kept_until_their_destinations_have_caught_up(
    rooms: RoomsServer,
) -> None:
    store = SqlOutboundStore(rooms.log, SERVER)
    assert (await store.cursors()).floor is None
    await store.save(CursorChanges((5, 7), {A: (1, 2), B: (3, 4)}, []))
    await store.save(CursorChanges((6, 7), {B: (3, 5)}, [A]))
    saved = await store.cursors()
    assert (saved.floor, saved.behind) == ((6, 7), {B: (3, 5)})


async def test_servers_come_and_go(rooms: RoomsServer) -> None:
    store = SqlOutboundStore(rooms.log, SERVER)
    moves = [
        ServerMove(B, ROOM, 6, True),
        ServerMove(B, ROOM, 8, False),
        ServerMove(A, ROOM, 9, False),
        ServerMove(B, ROOM, 9, True),
        ServerMove(C, ROOM, 4, None),
    ]
    await store.save(CursorChanges((0,), {}, [], [Presence(ROOM, 5, (A,))], moves))
    assert spans(rooms) == [(A, 5, 9), (B, 6, 8), (B, 9, FOREVER), (C, 4, 4)]
    assert await store.servers_in([ROOM]) == {B}
    assert await store.servers_in([]) == set()
    assert await store.has_peers()


async def test_rows_agree_with_who_is_there_when_a_room_is_looked_at_again(
    rooms: RoomsServer,
) -> None:
    store = SqlOutboundStore(rooms.log, SERVER)
    await store.save(CursorChanges((0,), {}, [], [Presence(ROOM, 5, (A, B))]))
    await store.save(CursorChanges((0,), {}, [], [Presence(ROOM, 5, (A, B))]))
    await store.save(CursorChanges((0,), {}, [], [Presence(ROOM, 9, (B, C))]))
    assert spans(rooms) == [(A, 5, 9), (B, 5, FOREVER), (C, 9, FOREVER)]


async def test_what_others_wrote_is_not_missed_but_for_what_is_relayed(
    rooms: RoomsServer,
) -> None:
    store = SqlOutboundStore(rooms.log, SERVER)
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room = await alice.creates_room(preset="public_chat")
    await bob.joins(room)
    mine, theirs = await alice.sends(room, "mine"), await bob.sends(room, "theirs")
    rooms.execute("UPDATE events SET sender = ? WHERE sender = ?", f"@bob:{B}", bob.user_id)
    stored = {each.event.event_id: each for each in await rooms.timeline(room)}
    nid = stored[mine].room_nid
    before = stored[mine].position - 1
    after = stored[theirs].position
    await store.save(CursorChanges((0,), {}, [], [Presence(nid, before, (A,))]))
    window = Window((before,), (after,))
    assert [each.nid for each in await store.missed_events(A, window, 10)] == [stored[mine].nid]
    assert await store.missed_events(B, window, 10) == []
    await store.relay(theirs, 5)
    missed = await store.missed_events(A, window, 10)
    assert [each.nid for each in missed] == [stored[mine].nid, stored[theirs].nid]
    assert [each.nid for each in await store.newest_missed(A, window)] == [stored[theirs].nid]
    assert await store.missed_events(A, Window((after,), (after,)), 10) == []
    assert set((await store.touched(window)).rooms) == {nid}
    assert await store.relayed(6) == []


async def test_messages_wait_in_order_and_are_forgotten_up_to_a_number(
    rooms: RoomsServer,
) -> None:
    store = SqlOutboundMessageStore(rooms.log)
    messages = [
        OutboundMessage(A, 2, "two", b"{}"),
        OutboundMessage(A, 1, "one", b"{}"),
        OutboundMessage(A, 3, "two", b"{}"),
        OutboundMessage(B, 4, "two", b"{}"),
    ]
    await rooms.log.write(store.put, messages)
    assert [each.message_id for each in await store.waiting(A, 10)] == ["one", "two"]
    assert sorted(await store.destinations()) == [A, B]
    assert await store.last_number() == 4
    await store.acknowledge(A, 1)
    assert [each.number for each in await store.waiting(A, 10)] == [2]
