"""What clients keep on the server, and tags."""

from __future__ import annotations

import msgspec
import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.errors import InvalidParam, NotFound
from homeserver.domain.identifiers import RoomId
from homeserver.log.entries import AccountDataEntry
from homeserver.log.log import all_committed
from homeserver.services.personal.account_data import ManagedByServer
from homeserver.services.personal.room_tags import RoomTags
from tests.homeserver.personal_server import ALICE, BOB, PersonalServer

ROOM = RoomId("!room")


async def test_data_is_told_to_the_clients_of_its_user() -> None:
    server = PersonalServer()
    await server.account_data.put(ALICE, None, "m.direct", b'{"a":1}')
    await server.account_data.put(ALICE, ROOM, "m.direct", b'{"b":1}')
    assert await server.account_data.get(ALICE, None, "m.direct") == b'{"a":1}'
    assert await server.account_data.get(ALICE, ROOM, "m.direct") == b'{"b":1}'
    rows = await server.account_data_store.since(ALICE, 0)
    assert server.entries == [
        AccountDataEntry(0, row.position, ALICE, row.room_id, "m.direct") for row in rows
    ]
    with pytest.raises(NotFound):
        await server.account_data.get(BOB, None, "m.direct")


@pytest.mark.parametrize("room_id", [None, ROOM])
@pytest.mark.parametrize("type", ["m.fully_read", "m.push_rules"])
async def test_what_the_server_manages_is_not_set_here(room_id: RoomId | None, type: str) -> None:
    server = PersonalServer()
    with pytest.raises(ManagedByServer) as refused:
        await server.account_data.put(ALICE, room_id, type, b"{}")
    assert (refused.value.status, refused.value.errcode) == (405, "M_BAD_JSON")


@pytest.mark.parametrize("type", ["", "a\0b", "x" * 256, "é" * 128])
async def test_a_type_has_1_to_255_bytes(type: str) -> None:
    server = PersonalServer()
    with pytest.raises(InvalidParam):
        await server.account_data.put(ALICE, None, type, b"{}")
    with pytest.raises(InvalidParam):
        await server.account_data.get(ALICE, None, type)


async def test_tags_that_are_put_at_the_same_time_are_all_kept() -> None:
    server = PersonalServer()
    tags = RoomTags(server.account_data)
    server.database.hold_commits = True
    names = [f"u.{number}" for number in range(5)]
    puts = [Deferred.fromCoroutine(tags.put(ALICE, ROOM, name, {"order": 0.5})) for name in names]
    server.database.release()
    await all_committed(puts)
    assert await tags.list(ALICE, ROOM) == {name: {"order": 0.5} for name in names}


async def test_tags_survive_what_clients_write_into_their_account_data() -> None:
    server = PersonalServer()
    tags = RoomTags(server.account_data)
    for content in (b'{"tags":7}', b'{"tags":{"u.a":7}}', b"{}"):
        await server.account_data.put(ALICE, ROOM, "m.tag", content)
        assert await tags.list(ALICE, ROOM) == {}
        await tags.put(ALICE, ROOM, "u.b", {})
        stored = await server.account_data.get(ALICE, ROOM, "m.tag")
        assert msgspec.json.decode(stored) == {"tags": {"u.b": {}}}
