"""Which servers are in a room, at each of its newest events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from homeserver.domain.identifiers import UserId
from homeserver.rooms.actor import NewEvent
from tests.rooms_fixture import RoomsServer, sqlite_at

BOB, BERT = UserId("@bob:there.example"), UserId("@bert:there.example")


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[RoomsServer]:
    """A server with rooms."""
    made = RoomsServer(sqlite_at(tmp_path / "rooms.db"))
    yield made
    await made.close()


async def test_servers_come_with_their_first_user_and_go_with_their_last(
    server: RoomsServer,
) -> None:
    alice = server.person("alice")
    room = await server.actor(await alice.creates_room(preset="public_chat"))
    moves = [(BOB, "join"), (BERT, "join"), (BOB, "leave"), (BERT, "leave")]
    appended = []
    for user_id, membership in moves:
        new = NewEvent("m.room.member", user_id, {"membership": membership}, user_id)
        appended.append(room.append_now(new))
    for _, committed in appended:
        await committed
    both, ours = frozenset({"hs", "there.example"}), frozenset({"hs"})
    found = [room.view.servers_before_and_after(stored.position) for stored, _ in appended]
    assert found == [(ours, both), (both, both), (both, both), (both, ours)]
