"""A server that is in a room with others, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.federation.inbound.receiving_server import A, ReceivingServer, knows
from tests.federation.inbound.remote_servers import KnownKeys, RemoteServer, RemoteServers
from tests.homeserver.domain.event_factory import BOB, Branch, a_room
from tests.rooms_fixture import postgres_at, sqlite_at


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ReceivingServer]:
    """The server."""
    if request.param == "sqlite":
        engine = sqlite_at(tmp_path / "here.db")
    else:
        engine = postgres_at(request.getfixturevalue("postgres_dsn"))
    made = ReceivingServer(engine, RemoteServers(), KnownKeys())
    yield made
    await made.close()


@pytest.fixture
def branch() -> Branch:
    """A room of Alice's and Bob's, who are users of other servers."""
    made = a_room("11")
    made.join(BOB)
    return made


@pytest.fixture
def alices(here: ReceivingServer, branch: Branch) -> RemoteServer:
    """Alice's server, which knows all of the room."""
    return knows(here.remote, A, branch.room)
