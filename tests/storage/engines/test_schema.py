"""The schema and its migrations, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeserver.ports.database import Transaction
from storage.engines import schema
from storage.engines.postgres import PostgresDatabase
from storage.engines.schema import SchemaTooNew, known_migrations, migrate
from storage.engines.sqlite import SqliteDatabase

Engine = SqliteDatabase | PostgresDatabase


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database with nothing in it."""
    engine: Engine
    if request.param == "sqlite":
        engine = SqliteDatabase(tmp_path / "test.db", None)  # type: ignore[arg-type]
    else:
        dsn = request.getfixturevalue("postgres_cluster").create_database()
        engine = PostgresDatabase(dsn, None)  # type: ignore[arg-type]
    yield engine
    engine.close()


def applied(engine: Engine) -> list[int]:
    def work(tx: Transaction) -> list[int]:
        return [row[0] for row in tx.all("SELECT number FROM schema_version ORDER BY number")]

    return engine.write_blocking(work)


def test_no_two_migrations_have_the_same_number() -> None:
    numbers = [number for number, _, _ in known_migrations()]
    assert numbers == sorted(set(numbers))


def test_an_empty_database_gets_every_migration_once(empty: Engine) -> None:
    names = migrate(empty)
    assert names == [f"{number:04d}_{name}" for number, name, _ in known_migrations()]
    assert applied(empty) == [number for number, _, _ in known_migrations()]
    assert migrate(empty) == []


def test_an_older_database_gets_what_it_lacks(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_migrations()
    monkeypatch.setattr(schema, "known_migrations", lambda: known[:2])
    assert len(migrate(empty)) == 2
    monkeypatch.setattr(schema, "known_migrations", lambda: known)
    assert len(migrate(empty)) == len(known) - 2


def test_a_database_of_a_newer_program_is_refused_and_left_alone(empty: Engine) -> None:
    migrate(empty)
    empty.write_blocking(
        lambda tx: tx.execute("INSERT INTO schema_version (number, name) VALUES (9999, 'future')")
    )
    with pytest.raises(SchemaTooNew, match="9999"):
        migrate(empty)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (1, "good", "CREATE TABLE good (number BIGINT PRIMARY KEY);\n")
    bad = (2, "bad", "CREATE TABLE half (number BIGINT PRIMARY KEY);\nCREATE TABLE 1;\n")
    monkeypatch.setattr(schema, "known_migrations", lambda: [good, bad])
    with pytest.raises(Exception, match="syntax"):
        migrate(empty)
    assert applied(empty) == [1]
    mended = (2, "bad", "CREATE TABLE half (number BIGINT PRIMARY KEY);\n")
    monkeypatch.setattr(schema, "known_migrations", lambda: [good, mended])
    assert migrate(empty) == ["0002_bad"]


def test_both_engines_have_the_same_tables_and_columns(tmp_path: Path, postgres_dsn: str) -> None:
    sqlite = SqliteDatabase(tmp_path / "test.db", None)  # type: ignore[arg-type]
    postgres = PostgresDatabase(postgres_dsn, None)  # type: ignore[arg-type]
    migrate(sqlite)
    of_sqlite = sqlite.write_blocking(
        lambda tx: tx.all(
            "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c"
            " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
        )
    )
    of_postgres = postgres.write_blocking(
        lambda tx: tx.all(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        )
    )
    assert set(of_sqlite) == set(of_postgres)
    sqlite.close()
    postgres.close()
