"""Every storage test runs on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from homeserver.ports.database import Transactions
from storage.engines.postgres import PostgresDatabase
from storage.engines.schema import migrate
from storage.engines.sqlite import SqliteDatabase
from tests.rooms_fixture import RoomsServer, postgres_at, sqlite_at


class DirectTransactions:
    """Runs each work in a transaction of its own, on the test's thread."""

    def __init__(self, database: SqliteDatabase | PostgresDatabase) -> None:
        self.database = database

    async def read(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        return self.database._read(work, args, kwargs)

    async def write(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        return self.database.write_blocking(lambda tx: work(tx, *args, **kwargs))


@pytest.fixture(params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[SqliteDatabase | PostgresDatabase]:
    """An empty database with the schema of this program."""
    made: SqliteDatabase | PostgresDatabase
    if request.param == "sqlite":
        made = SqliteDatabase(tmp_path / "test.db", None)  # type: ignore[arg-type]
    else:
        dsn = request.getfixturevalue("postgres_dsn")
        made = PostgresDatabase(dsn, None)  # type: ignore[arg-type]
    migrate(made)
    yield made
    made.close()


@pytest.fixture
def transactions(database: SqliteDatabase | PostgresDatabase) -> Transactions:
    """What stores are built on."""
    return DirectTransactions(database)


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def rooms(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RoomsServer]:
    """The rooms part of a server, to fill the tables as a server does."""
    if request.param == "sqlite":
        made = RoomsServer(sqlite_at(tmp_path / "rooms.db"))
    else:
        made = RoomsServer(postgres_at(request.getfixturevalue("postgres_dsn")))
    yield made
    await made.close()
