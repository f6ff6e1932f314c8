"""What all tests share: any of them may await Deferreds, and may have a PostgreSQL database."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

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


@pytest.fixture
def postgres_dsn(postgres_cluster: PostgresCluster) -> str:
    """The address of an empty database."""
    return postgres_cluster.create_database()
