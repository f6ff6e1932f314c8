"""matrix-js-sdk and matrix-nio in encrypted rooms with each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import permutations
from typing import TypeAlias

import pytest
import pytest_asyncio

from tests.clients.encrypted_rooms import Person, meet_each_other, open_room
from tests.clients.js_people import JsLobby
from tests.clients.nio_people import Lobby
from tests.clients.node import Node


@pytest_asyncio.fixture
async def js(homeserver: str, node: Node) -> AsyncIterator[JsLobby]:
    lobby = JsLobby(node, homeserver)
    yield lobby
    await lobby.close()


@pytest_asyncio.fixture
async def nio(homeserver: str) -> AsyncIterator[Lobby]:
    lobby = Lobby(homeserver)
    yield lobby
    await lobby.close()


Register: TypeAlias = Callable[[str], Awaitable[Person]]


@pytest.fixture(params=["matrix-js-sdk", "matrix-nio"])
def register(request: pytest.FixtureRequest, js: JsLobby, nio: Lobby) -> Register:
    """Registers somebody with one of the kinds of clients."""
    return js.register if request.param == "matrix-js-sdk" else nio.register


async def test_everybody_reads_everybody_on_every_device(js: JsLobby, nio: Lobby) -> None:
    alice, bob = await js.register("alice"), await js.register("bob")
    carol, dan = await nio.register("carol"), await nio.register("dan")
    room_id = await open_room(alice, bob, carol, dan)
    devices = (
        *(alice, bob, carol, dan),
        await js.log_in(alice.user_id),
        await nio.log_in(dan.user_id),
    )
    await meet_each_other(room_id, *devices)

    for speaker in devices:
        body = f"from {speaker.device_id} of {speaker.user_id}"
        event_id = await speaker.say(room_id, body)
        for listener in devices:
            if listener is not speaker:
                assert await listener.read(room_id, event_id) == body


async def test_who_joins_late_reads_what_comes_then_and_nothing_from_before(
    js: JsLobby, nio: Lobby, register: Register
) -> None:
    alice, dan = await js.register("alice"), await nio.register("dan")
    room_id = await open_room(alice, dan)
    await meet_each_other(room_id, alice, dan)
    early = [await person.say(room_id, "before") for person in (alice, dan)]

    eve = await register("eve")
    await alice.invite(room_id, eve.user_id)
    await eve.join(room_id)
    await meet_each_other(room_id, alice, dan, eve)
    for person in (alice, dan):
        assert await eve.read(room_id, await person.say(room_id, "after")) == "after"
    for event_id in early:
        event = await alice.fetch(room_id, event_id)
        assert event["type"] == "m.room.encrypted"
        assert await eve.decipher(event) is None
    assert await alice.read(room_id, await eve.say(room_id, "hello")) == "hello"


async def test_who_has_left_cannot_read_what_comes_later(
    js: JsLobby, nio: Lobby, register: Register
) -> None:
    alice, dan, eve = await js.register("alice"), await nio.register("dan"), await register("eve")
    room_id = await open_room(alice, dan, eve)
    await meet_each_other(room_id, alice, dan, eve)
    for person in (alice, dan):
        assert await eve.read(room_id, await person.say(room_id, "with Eve")) == "with Eve"

    await eve.leave(room_id)
    stayed: tuple[Person, ...] = (alice, dan)
    for speaker, other in permutations(stayed):
        await speaker.miss(room_id, eve.user_id)
        event_id = await speaker.say(room_id, "without Eve")
        assert await other.read(room_id, event_id) == "without Eve"
        leaked = await alice.fetch(room_id, event_id)
        assert await other.decipher(leaked) == "without Eve"
        assert await eve.decipher(leaked) is None
