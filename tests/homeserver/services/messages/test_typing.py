"""Who is typing."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import UserId
from homeserver.log.entries import TypingEntry
from homeserver.rooms.actor import RoomActor
from homeserver.services.messages.typing import LONGEST_TIMEOUT_MS, Typing
from tests.homeserver.personal_server import ALICE, BOB, CAROL, PersonalServer


def told(server: PersonalServer) -> list[tuple[UserId, ...]]:
    return [entry.user_ids for entry in server.entries if isinstance(entry, TypingEntry)]


def typists(room: RoomActor) -> list[UserId]:
    return list(room.view.typing)


async def test_others_see_who_starts_and_stops() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    await server.typing.start(ALICE, room.view.room_id)
    await server.typing.start(BOB, room.view.room_id)
    assert typists(room) == [ALICE, BOB]
    await server.typing.stop(ALICE, room.view.room_id)
    assert typists(room) == [BOB]
    assert told(server) == [(ALICE,), (ALICE, BOB), (BOB,)]


async def test_nothing_is_written() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    server.database.writes = 0
    await server.typing.start(ALICE, room.view.room_id)
    await server.typing.stop(ALICE, room.view.room_id)
    assert server.database.writes == 0


async def test_typing_ends_by_itself() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    await server.typing.start(ALICE, room.view.room_id, 10_000)
    await server.typing.start(BOB, room.view.room_id, 20_000)
    server.clock.advance(9.9)
    assert typists(room) == [ALICE, BOB]
    server.clock.advance(0.2)
    assert typists(room) == [BOB]
    server.clock.advance(10)
    assert typists(room) == []


async def test_notices_that_tell_nothing_new_only_extend_the_time() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    for _ in range(5):
        await server.typing.start(ALICE, room.view.room_id, 10_000)
        server.clock.advance(8)
    assert told(server) == [(ALICE,)]
    server.clock.advance(2.1)
    assert told(server) == [(ALICE,), ()]


async def test_a_later_notice_may_shorten_the_time() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    await server.typing.start(ALICE, room.view.room_id, 60_000)
    await server.typing.start(ALICE, room.view.room_id, 1_000)
    server.clock.advance(1.1)
    assert typists(room) == []


async def test_nobody_types_for_longer_than_the_limit() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    await server.typing.start(ALICE, room.view.room_id, 10**12)
    server.clock.advance(LONGEST_TIMEOUT_MS / 1000 + 0.1)
    assert typists(room) == []


async def test_who_does_not_type_cannot_stop() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    await server.typing.stop(ALICE, room.view.room_id)
    await server.typing.start(BOB, room.view.room_id)
    await server.typing.stop(ALICE, room.view.room_id)
    assert told(server) == [(BOB,)]


async def test_only_members_type() -> None:
    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    await server.leave(BOB, room)
    for user_id in (BOB, CAROL):
        with pytest.raises(Forbidden):
            await server.typing.start(user_id, room.view.room_id)
        with pytest.raises(Forbidden):
            await server.typing.stop(user_id, room.view.room_id)


async def test_a_room_that_is_loaded_again_knows_who_types() -> None:
    server = PersonalServer()
    room = await server.room(ALICE)
    await server.typing.start(ALICE, room.view.room_id)
    server.directory._drop(room)
    loaded = await server.directory.by_id(room.view.room_id)
    assert typists(loaded) == [ALICE]
    server.directory._drop(loaded)
    server.clock.advance(60)
    loaded = await server.directory.by_id(room.view.room_id)
    assert typists(loaded) == []
    assert loaded.view.typing_position == server.entries[-1].position


async def test_rooms_in_which_nobody_types_are_forgotten() -> None:
    server = PersonalServer()
    typing = Typing(server.directory, server.log, server.clock, capacity=1)
    first, second = await server.room(ALICE), await server.room(ALICE)
    await typing.start(ALICE, first.view.room_id)
    await typing.stop(ALICE, first.view.room_id)
    await typing.start(ALICE, second.view.room_id)
    assert list(typing._rooms) == [second.view.nid]
