"""A server with rooms that others are in, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.federation.resident import Resident
from tests.rooms_fixture import Person, postgres_at, sqlite_at


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Resident]:
    """The server that is asked."""
    if request.param == "sqlite":
        made = Resident(sqlite_at(tmp_path / "here.db"), tmp_path)
    else:
        made = Resident(postgres_at(request.getfixturevalue("postgres_dsn")), tmp_path)
    yield made
    await made.close()


@pytest.fixture
def alice(here: Resident) -> Person:
    """A user of the server that is asked."""
    return here.person("alice")
