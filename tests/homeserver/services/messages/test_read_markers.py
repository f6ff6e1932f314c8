"""Fully read markers."""

from __future__ import annotations

import msgspec
import pytest

from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import EventId, RoomId
from homeserver.log.entries import AccountDataEntry
from tests.homeserver.personal_server import ALICE, BOB, PersonalServer


async def marker(server: PersonalServer, room_id: RoomId) -> str:
    content = await server.account_data.get(ALICE, room_id, "m.fully_read")
    return str(msgspec.json.decode(content)["event_id"])


async def test_a_marker_is_account_data_of_the_room() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event = await server.say(ALICE, room)
    room_id = room.view.room_id
    await server.markers.move(ALICE, room_id, event.event.event_id)
    assert await marker(server, room_id) == event.event.event_id
    entry = server.entries[-1]
    assert entry == AccountDataEntry(0, entry.position, ALICE, room_id, "m.fully_read")


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_marker_does_not_move_back(restarted: bool) -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    older, newer = await server.say(ALICE, room), await server.say(ALICE, room)
    room_id = room.view.room_id
    await server.markers.move(ALICE, room_id, newer.event.event_id)
    if restarted:
        server = server.restarted()
    server.entries.clear()
    await server.markers.move(ALICE, room_id, older.event.event_id)
    assert server.entries == []
    assert await marker(server, room_id) == newer.event.event_id


async def test_a_marker_stands_in_a_room_of_the_user() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    event = await server.say(ALICE, room)
    with pytest.raises(Forbidden):
        await server.markers.move(BOB, room.view.room_id, event.event.event_id)
    with pytest.raises(NotFound):
        await server.markers.move(ALICE, room.view.room_id, EventId("$nowhere"))
