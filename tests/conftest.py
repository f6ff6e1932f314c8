"""What all tests share: any of them may await Deferreds, and may have a PostgreSQL database."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any, cast

import psycopg2
import pytest
from twisted.internet.interfaces import IReactorFromThreads

from storage.engines.postgres import PostgresDatabase
from storage.engines.schema import migrate
from synctest.postgres import PostgresCluster
from tests.deferreds import on_event_loop


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drive every asynchronous test so that it may await Deferreds too."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _bridged(item.obj)


def _bridged(test: Any) -> Any:
    @functools.wraps(test)
    async def bridged(*args: Any, **kwargs: Any) -> None:
        await on_event_loop(test(*args, **kwargs))

    return bridged


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A PostgreSQL server for the whole run."""
    with PostgresCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_database(postgres_cluster: PostgresCluster) -> Iterator[tuple[str, Any]]:
    """The address of a database with the schema of this program, and a connection to it."""
    dsn = postgres_cluster.create_database()
    database = PostgresDatabase(dsn, cast("IReactorFromThreads", None))
    migrate(database)
    database.close()
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    yield dsn, connection
    connection.close()


@pytest.fixture
def postgres_dsn(postgres_database: tuple[str, Any]) -> Iterator[str]:
    """The address of a database that has the schema of this program, and nothing in it."""
    dsn, connection = postgres_database
    yield dsn
    # Cheaper by far than a database for every test.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            " AND table_name <> 'schema_version'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        filled = " UNION ALL ".join(
            f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables
        )
        cursor.execute(filled)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {name}")
