"""A server on which events can be delayed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.homeserver.calls import CallsServer
from tests.rooms_fixture import sqlite_at


@pytest_asyncio.fixture
async def calls(tmp_path: Path) -> AsyncIterator[CallsServer]:
    """Rooms in which events can be delayed."""
    made = CallsServer(sqlite_at(tmp_path / "myelin.db"))
    yield made
    await made.close()
