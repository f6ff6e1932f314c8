"""A server that sends, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.federation.outbound.sending_server import SendingServer
from tests.rooms_fixture import OpenEngine, postgres_at, sqlite_at


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> OpenEngine:
    """The way to open a database."""
    if request.param == "sqlite":
        return sqlite_at(tmp_path / "sending.db")
    return postgres_at(request.getfixturevalue("postgres_dsn"))


@pytest_asyncio.fixture
async def server(engine: OpenEngine) -> AsyncIterator[SendingServer]:
    """A server that sends."""
    made = await SendingServer(engine).start()
    yield made
    await made.close()
