"""Two servers that talk to each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from federation.outbound.destination import State
from federation.transport.errors import RemoteError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.http.answers import Answer
from homeserver.ports.accounts.accounts import NewAccount
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.sessions import SqlSessionStore
from tests.deferreds import on_event_loop
from tests.federation.certificates import CertificateAuthority
from tests.federation.membership.servers import join
from tests.federation.outbound.sending_server import device_keys
from tests.federation.outbound.two_servers import TalkingServer, talking_server, until
from tests.federation.transport.conftest import Internet
from tests.federation.transport.internet import RoutedReactor
from tests.rooms_fixture import Person, quoted, sqlite_at
from tests.storage.accounts.sessions import new_session

Pair = tuple[TalkingServer, TalkingServer]


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two servers."""
    authority = CertificateAuthority()
    internet = Internet(RoutedReactor(asyncio.get_running_loop()), tmp_path, authority)
    servers = [talking_server(internet, n, sqlite_at(tmp_path / f"{n}.db")) for n in (1, 2)]
    for server in servers:
        await on_event_loop(server.start_inbox())
    yield servers[0], servers[1]
    for server in servers:
        await on_event_loop(server.sender.stop())
        await server.close()
    await on_event_loop(internet.close())


async def bodies(server: TalkingServer, room: str) -> list[Any]:
    """What is said in a room, as a server has it."""
    return [
        s.event.content["body"] for s in await server.timeline(room) if "body" in s.event.content
    ]


async def has_said(server: TalkingServer, room: str, *said: str) -> None:
    """Wait until a server has these in the timeline."""
    for _ in range(1000):
        found = await bodies(server, room)
        if found == list(said):
            return
        await asyncio.sleep(0.01)
    assert found == list(said)


async def meet(pair: Pair) -> tuple[Person, Person, str]:
    """Alice, and Bob of the other server, in a room."""
    here, there = pair
    alice, bob = here.person("alice"), there.person("bob")
    room = await alice.creates_room(preset="public_chat")
    response = await join(bob, room, here)
    assert response.status == 200, response.json
    return alice, bob, room


async def has_device(server: TalkingServer, user_id: UserId, device_id: str) -> None:
    """A user has a device with keys."""
    accounts = SqlAccountStore(server.log)
    if await accounts.account(user_id) is None:
        await accounts.register(NewAccount(user_id, 1, None), None)
    await SqlSessionStore(server.log).open(new_session(user_id, device_id, f"{user_id}{device_id}"))
    keys = json.dumps(device_keys(user_id, device_id)).encode()

    def work(tx: Any, position: int) -> None:
        server.device_keys.put_device_keys(tx, (user_id, DeviceId(device_id)), keys)

    await server.changes.write(user_id, work)


async def test_what_is_said_on_either_server_is_heard_on_the_other(pair: Pair) -> None:
    here, there = pair
    alice, bob, room = await meet(pair)
    await alice.sends(room, "hello")
    await has_said(there, room, "hello")
    await bob.sends(room, "hello yourself")
    await has_said(here, room, "hello", "hello yourself")
    for number in range(60):
        await alice.sends(room, str(number))
    said = ["hello", "hello yourself", *map(str, range(60))]
    await has_said(there, room, *said)


async def test_a_server_that_was_away_hears_it_later(pair: Pair) -> None:
    here, there = pair
    alice, _, room = await meet(pair)
    there.surface.disturb = lambda request: Answer(b"{}", 503) if "/send/" in request.path else None
    await alice.sends(room, "missed")
    await until(lambda: here.destinations.count(State.AWAY))
    there.surface.disturb = lambda request: None
    await has_said(there, room, "missed")


async def test_typing_and_receipts_are_seen_on_the_other_server(pair: Pair) -> None:
    _, there = pair
    alice, _, room = await meet(pair)
    said = await alice.sends(room, "hello")
    await has_said(there, room, "hello")
    view = (await there.actor(room)).view
    path = f"/rooms/{quoted(room)}/typing/{quoted(alice.user_id)}"
    await alice.put(path, {"typing": True, "timeout": 30000})
    await until(lambda: view.typing == (alice.user_id,))
    await alice.post(f"/rooms/{quoted(room)}/receipt/m.read/{quoted(said)}")
    await until(lambda: (alice.user_id, "m.read", "") in view.receipts)


async def test_devices_are_known_and_messages_reach_them(pair: Pair) -> None:
    here, there = pair
    alice, bob, _ = await meet(pair)
    await has_device(there, bob.user_id, "PHONE")
    await has_device(here, alice.user_id, "LAPTOP")
    answer = json.loads(await here.queries.query(alice.user_id, {bob.user_id: []}))
    assert set(answer["device_keys"][bob.user_id]) == {"PHONE"}
    await has_device(there, bob.user_id, "TABLET")

    async def known() -> set[str]:
        answer = json.loads(await here.queries.query(alice.user_id, {bob.user_id: []}))
        return set(answer["device_keys"][bob.user_id])

    for _ in range(500):
        if await known() == {"PHONE", "TABLET"}:
            break
        await asyncio.sleep(0.01)
    assert await known() == {"PHONE", "TABLET"}
    assert here.surface.asked.count("user") == 0
    await here.to_device.send(
        alice.requester, "m.test", "txn", {bob.user_id: {"PHONE": {"hello": "there"}}}
    )
    sql = "SELECT event FROM to_device_messages WHERE device_id = 'PHONE'"
    await until(lambda: there.rows(sql))
    assert json.loads(there.rows(sql)[0][0]) == {
        "content": {"hello": "there"},
        "sender": alice.user_id,
        "type": "m.test",
    }


@pytest.mark.parametrize("what", ["devices", "query", "claim"])
async def test_others_are_told_of_our_users_only(pair: Pair, what: str) -> None:
    here, there = pair
    stranger = "@someone:elsewhere.example"
    if what == "devices":
        asking = here.asks(there, "GET", "user", "devices", stranger)
    else:
        member = {"query": "device_keys", "claim": "one_time_keys"}[what]
        content: JsonObject = {member: {stranger: [] if what == "query" else {}}}
        path = f"/_matrix/federation/v1/user/keys/{what}"
        asking = here.federation_client.post_json(there.server_name, path, content)
    with pytest.raises(RemoteError) as refusal:
        await asking
    assert refusal.value.remote_errcode == "M_INVALID_PARAM"
