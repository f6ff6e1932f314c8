"""What both engines do alike, and how they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import psycopg2
import pytest
from twisted.internet.interfaces import IReactorFromThreads

from homeserver.ports.database import DatabaseDown, DatabaseFull, Transaction, UniqueViolation
from storage.engines.postgres import PostgresDatabase
from storage.engines.sqlite import SqliteDatabase
from tests.deferreds import LoopReactor, together

Engine = SqliteDatabase | PostgresDatabase
Open = Callable[[], Engine]

TABLE = "CREATE TABLE things (number BIGINT PRIMARY KEY, name TEXT, flag BOOLEAN, data BYTEA)"


@pytest.fixture(params=["sqlite", "postgres"])
def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a database that has a table, with the threads of a server."""
    opened: list[Engine] = []
    if request.param == "sqlite":

        def make() -> Engine:
            return SqliteDatabase(tmp_path / "test.db", cast("IReactorFromThreads", LoopReactor()))

    else:
        cluster = request.getfixturevalue("postgres_cluster")
        dsn = cluster.create_database()

        def make() -> Engine:
            return PostgresDatabase(dsn, cast("IReactorFromThreads", LoopReactor()))

    def open_one() -> Engine:
        engine = make()
        opened.append(engine)
        if len(opened) == 1:
            engine.write_blocking(lambda tx: tx.execute(TABLE))
        return engine

    yield open_one
    for engine in opened:
        engine.close()


def insert(tx: Transaction, *rows: tuple[Any, ...]) -> None:
    tx.insert("INSERT INTO things (number, name, flag, data) VALUES", rows)


def numbers(tx: Transaction) -> list[int]:
    return [row[0] for row in tx.all("SELECT number FROM things ORDER BY number")]


async def test_values_come_back_as_they_went(open_engine: Open) -> None:
    engine = open_engine()
    rows = [
        (1, "你好 %s ? ' \\", True, b"\x00\xff"),
        (2, None, False, b""),
        (2**63 - 1, "", None, None),
    ]
    await engine.write_once(lambda tx: insert(tx, *rows))
    found = await engine.read(lambda tx: tx.all("SELECT * FROM things ORDER BY number"))
    assert [(n, t, f if f is None else bool(f), d) for n, t, f, d in found] == rows
    assert all(d is None or type(d) is bytes for _, _, _, d in found)


async def test_a_list_is_one_parameter(open_engine: Open) -> None:
    engine = open_engine()
    rows = [(n, f"name {n}", n % 2 == 0, b"") for n in range(1, 6)]
    await engine.write_once(lambda tx: insert(tx, *rows))

    def ask(tx: Transaction) -> list[list[int]]:
        by_number = "SELECT number FROM things WHERE number = ANY(?) ORDER BY number"
        by_name = "SELECT number FROM things WHERE NOT name = ANY(?) AND flag ORDER BY number"
        return [
            [row[0] for row in tx.all(by_number, ([1, 4, 2**62],))],
            [row[0] for row in tx.all(by_number, ([],))],
            [row[0] for row in tx.all(by_name, (["name 2", "it's"],))],
        ]

    assert await engine.read(ask) == [[1, 4], [], [4]]


async def test_a_subquery_may_take_the_place_of_a_list(open_engine: Open) -> None:
    engine = open_engine()
    rows = [(n, f"name {n % 3}", True, b"") for n in range(1, 10)]
    await engine.write_once(lambda tx: insert(tx, *rows))
    newest_of_each = """SELECT a.number, b.number FROM things a
    JOIN things b ON b.number = ANY(ARRAY(
        SELECT c.number FROM things c WHERE c.name = a.name AND c.number > abs(0)
        ORDER BY c.number DESC LIMIT ?
    )) WHERE a.number = ANY(?) ORDER BY a.number, b.number"""
    found = await engine.read(lambda tx: tx.all(newest_of_each, (2, [1, 2])))
    assert found == [(1, 4), (1, 7), (2, 5), (2, 8)]


async def test_many_rows_are_one_statement(open_engine: Open) -> None:
    engine = open_engine()
    await engine.write_once(lambda tx: insert(tx, *((n, "x", True, b"") for n in range(1000))))
    await engine.write_once(lambda tx: insert(tx))

    def rename(tx: Transaction) -> None:
        tx.insert(
            "UPDATE things SET name = v.column2, flag = v.column3 FROM (VALUES",
            [(1, "one", False), (2, None, None), (3, "three", True)],
            ") AS v WHERE things.number = v.column1",
        )

    await engine.write_once(rename)
    found = await engine.read(
        lambda tx: tx.all("SELECT name, flag FROM things WHERE number < 5 ORDER BY number")
    )
    assert [(name, flag if flag is None else bool(flag)) for name, flag in found] == [
        ("x", True),
        ("one", False),
        (None, None),
        ("three", True),
        ("x", True),
    ]
    count = await engine.read(lambda tx: tx.one("SELECT count(*) FROM things"))
    assert count == (1000,)
    assert await engine.read(lambda tx: tx.one("SELECT 1 FROM things WHERE number < 0")) is None


async def test_statements_tell_how_many_rows_they_touched(open_engine: Open) -> None:
    engine = open_engine()
    await engine.write_once(lambda tx: insert(tx, (1, "a", True, b""), (2, "a", True, b"")))
    touched = await engine.write_once(
        lambda tx: [
            tx.execute("UPDATE things SET name = ? WHERE name = ?", ("b", "a")),
            tx.execute("DELETE FROM things WHERE number > ?", (5,)),
        ]
    )
    assert touched == [2, 0]


async def test_a_work_that_fails_is_undone(open_engine: Open) -> None:
    engine = open_engine()

    def work(tx: Transaction) -> None:
        insert(tx, (1, "a", True, b""))
        raise KeyError("of the work")

    with pytest.raises(KeyError):
        await engine.write_once(work)
    assert await engine.read(numbers) == []
    await engine.write_once(lambda tx: insert(tx, (2, "a", True, b"")))
    assert await engine.read(numbers) == [2]


async def test_a_key_that_exists_is_a_violation(open_engine: Open) -> None:
    engine = open_engine()
    row = (1, "a", True, b"")
    await engine.write_once(lambda tx: insert(tx, row))
    with pytest.raises(UniqueViolation):
        await engine.write_once(lambda tx: insert(tx, (2, "b", True, b""), row))
    assert await engine.read(numbers) == [1]


async def test_a_faulty_statement_is_not_a_database_that_is_down(open_engine: Open) -> None:
    engine = open_engine()

    def faulty(tx: Transaction) -> None:
        tx.all("SELECT number FROM nowhere")

    for run in (engine.read, engine.write_once):
        with pytest.raises(Exception, match="nowhere") as raised:
            await run(faulty)
        assert not isinstance(raised.value, DatabaseDown)
    assert await engine.read(numbers) == []


async def test_reads_see_what_was_committed_and_nothing_else(open_engine: Open) -> None:
    engine = open_engine()
    await engine.write_once(lambda tx: insert(tx, (1, "a", True, b"")))
    other = open_engine()
    seen = []

    def work(tx: Transaction) -> None:
        insert(tx, (2, "b", True, b""))
        seen.append(other._read(numbers, (), {}))

    await engine.write_once(work)
    assert seen == [[1]]
    assert await other.read(numbers) == [1, 2]


async def test_many_reads_run_at_once(open_engine: Open) -> None:
    engine = open_engine()
    await engine.write_once(lambda tx: insert(tx, (1, "a", True, b"")))

    async def read() -> list[int]:
        return await engine.read(numbers)

    assert await together(*(read() for _ in range(20))) == [[1]] * 20


async def test_writes_wait_for_those_of_another_process(open_engine: Open) -> None:
    engine, other = open_engine(), open_engine()

    def add(tx: Transaction) -> None:
        (count,) = tx.one("SELECT count(*) FROM things") or (0,)
        insert(tx, (count + 1, "x", True, b""))

    for _ in range(5):
        await engine.write_once(add)
        await other.write_once(add)
    assert await engine.read(numbers) == list(range(1, 11))


async def test_a_full_disk_is_told_apart(tmp_path: Path) -> None:
    engine = SqliteDatabase(tmp_path / "test.db", cast("IReactorFromThreads", LoopReactor()))
    engine.write_blocking(lambda tx: tx.execute(TABLE))

    def fill(tx: Transaction) -> None:
        tx.execute("PRAGMA max_page_count = 10")
        insert(tx, *((n, "x" * 1000, True, b"") for n in range(100)))

    with pytest.raises(DatabaseFull):
        await engine.write_once(fill)
    assert await engine.read(numbers) == []
    engine.close()


async def test_a_file_that_is_no_database_is_one_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"this is not a database" * 100)
    engine = SqliteDatabase(tmp_path / "test.db", cast("IReactorFromThreads", LoopReactor()))
    with pytest.raises(DatabaseDown):
        await engine.read(numbers)
    engine.close()


async def test_a_server_that_cannot_be_reached_is_down() -> None:
    dsn = "postgresql://nobody@127.0.0.1:1/nothing"
    engine = PostgresDatabase(dsn, cast("IReactorFromThreads", LoopReactor()))
    with pytest.raises(DatabaseDown):
        await engine.read(numbers)
    with pytest.raises(DatabaseDown):
        await engine.write_once(numbers)
    engine.close()


async def test_connections_that_were_cut_are_made_again(postgres_dsn: str) -> None:
    engine = PostgresDatabase(postgres_dsn, cast("IReactorFromThreads", LoopReactor()), readers=1)

    def ask(tx: Transaction) -> tuple[Any, ...] | None:
        return tx.one("SELECT 1")

    def cut() -> None:
        connection = psycopg2.connect(postgres_dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'myelin' AND datname = current_database()"
            )
        connection.close()

    assert await engine.read(ask) == (1,)
    assert await engine.write_once(ask) == (1,)
    await asyncio.get_running_loop().run_in_executor(None, cut)
    # A read is repeated; whether a write was done cannot be known, so that is told.
    assert await engine.read(ask) == (1,)
    with pytest.raises(DatabaseDown):
        await engine.write_once(ask)
    assert await engine.write_once(ask) == (1,)
    engine.close()
