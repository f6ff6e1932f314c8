"""Parts of a server to test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.homeserver.accounts import AccountsServer
from tests.homeserver.encryption import EncryptionServer
from tests.rooms_fixture import RoomsServer, sqlite_at


@pytest.fixture
def server() -> Iterator[AccountsServer]:
    """The accounts part of a server, open for registration and without rate limits."""
    with AccountsServer() as made:
        yield made


@pytest_asyncio.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[RoomsServer]:
    """The rooms part of a server, without rate limits."""
    made = RoomsServer(sqlite_at(tmp_path / "myelin.db"))
    yield made
    await made.close()


@pytest_asyncio.fixture
async def encryption(tmp_path: Path) -> AsyncIterator[EncryptionServer]:
    """The services of encryption, over real rooms."""
    made = EncryptionServer(sqlite_at(tmp_path / "myelin.db"))
    yield made
    await made.close()
