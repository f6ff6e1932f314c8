"""A server that takes in EDUs, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.federation.edus.receiving_server import ReceivingServer
from tests.rooms_fixture import postgres_at, sqlite_at


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ReceivingServer]:
    """A server that takes in EDUs."""
    if request.param == "sqlite":
        made = ReceivingServer(sqlite_at(tmp_path / "receiving.db"))
    else:
        made = ReceivingServer(postgres_at(request.getfixturevalue("postgres_dsn")))
    yield made
    await made.close()
