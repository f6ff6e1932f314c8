"""matrix-js-sdk and matrix-nio on three homeservers that federate with each other over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from synctest.federation.world import started_world
from tests.clients.encrypted_rooms import Person, meet_each_other, open_room
from tests.clients.js_people import JsLobby
from tests.clients.nio_people import Lobby
from tests.clients.node import PROJECT, Node

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORIES = (
    "text-is-answered-edited-and-recalled",
    "typing-receipts-and-unread-counts",
    "media-arrives-byte-for-byte",
    "encrypted-messages-are-read",
    "a-fallback-key-serves-when-the-others-are-used-up",
    "a-new-device-is-verified-by-emoji",
    "an-identity-is-replaced-with-the-password",
    "two-people-verify-each-other-by-emoji",
    "two-people-verify-each-other-by-qr-code",
)
"""The stories under js/stories/ in which somebody is registered elsewhere."""

STORY_LIMIT = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def homeservers() -> AsyncIterator[Sequence[str]]:
    """The URLs of three homeservers."""
    async with started_world(["myelin"] * 3) as world:
        yield [member.homeserver.url for member in world.members]


@pytest_asyncio.fixture(loop_scope="module")
async def js(homeservers: Sequence[str], node: Node) -> AsyncIterator[Sequence[JsLobby]]:
    """Where people come in with matrix-js-sdk, for each of the homeservers."""
    async with AsyncExitStack() as stack:
        lobbies = [JsLobby(node, homeserver) for homeserver in homeservers]
        for lobby in lobbies:
            stack.push_async_callback(lobby.close)
        yield lobbies


@pytest_asyncio.fixture(loop_scope="module")
async def nio(homeservers: Sequence[str]) -> AsyncIterator[Sequence[Lobby]]:
    """Where people come in with matrix-nio, for each of the homeservers."""
    async with AsyncExitStack() as stack:
        lobbies = [Lobby(homeserver) for homeserver in homeservers]
        for lobby in lobbies:
            stack.push_async_callback(lobby.close)
        yield lobbies


@pytest.mark.parametrize("story", STORIES)
async def test_story(homeservers: Sequence[str], node: Node, story: str) -> None:
    here, elsewhere, _ = homeservers
    # The servers reach each other through gates that this event loop serves.
    await asyncio.to_thread(
        node.run,
        f"stories/{story}.mjs",
        cwd=PROJECT,
        environment={"HOMESERVER_URL": here, "OTHER_HOMESERVER_URL": elsewhere},
        limit=STORY_LIMIT,
    )


async def test_a_device_that_is_new_reads_and_is_read_on_every_server(
    js: Sequence[JsLobby], nio: Sequence[Lobby]
) -> None:
    alice, bob = await asyncio.gather(js[0].register("alice"), js[1].register("bob"))
    dan, carol = await nio[1].register("dan"), await nio[2].register("carol")
    people: tuple[Person, ...] = (alice, bob, dan, carol)
    room_id = await open_room(*people)
    await meet_each_other(room_id, *people)
    early = await alice.say(room_id, "before")
    for listener in people[1:]:
        assert await listener.read(room_id, early) == "before"

    phones: tuple[Person, ...] = (
        await js[1].log_in(bob.user_id),
        await nio[1].log_in(dan.user_id),
    )
    devices = (*people, *phones)
    await meet_each_other(room_id, *devices)
    for speaker in devices:
        body = f"from {speaker.device_id} of {speaker.user_id}"
        event_id = await speaker.say(room_id, body)
        for listener in devices:
            if listener is not speaker:
                assert await listener.read(room_id, event_id) == body
    stored = await bob.fetch(room_id, early)
    for phone in phones:
        assert await phone.decipher(stored) is None


async def test_who_came_late_and_left_reads_what_was_said_meanwhile(
    js: Sequence[JsLobby],
) -> None:
    alice, bob, eve = await asyncio.gather(
        js[0].register("alice"), js[1].register("bob"), js[2].register("eve")
    )
    room_id = await open_room(alice, bob)
    await meet_each_other(room_id, alice, bob)
    unheard = [await person.say(room_id, "before Eve") for person in (alice, bob)]

    await bob.invite(room_id, eve.user_id)
    await eve.join(room_id)
    await meet_each_other(room_id, alice, bob, eve)
    for person in (alice, bob):
        assert await eve.read(room_id, await person.say(room_id, "with Eve")) == "with Eve"
    from_eve = await eve.say(room_id, "hello")
    for person in (alice, bob):
        assert await person.read(room_id, from_eve) == "hello"

    await eve.leave(room_id)
    for speaker, other in ((alice, bob), (bob, alice)):
        await speaker.miss(room_id, eve.user_id)
        event_id = await speaker.say(room_id, "without Eve")
        assert await other.read(room_id, event_id) == "without Eve"
        unheard.append(event_id)
    for event_id in unheard:
        assert await eve.decipher(await alice.fetch(room_id, event_id)) is None
