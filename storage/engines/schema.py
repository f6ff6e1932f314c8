"""The schema and its migrations: numbered SQL files, applied in order, each in one transaction.

The files are written for PostgreSQL; the SQLite engine translates the one difference (the type of a
key that the row is clustered by). ``schema_version`` holds the numbers that were applied.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Protocol, TypeVar

from homeserver.ports.database import Transaction

T = TypeVar("T")


class Migratable(Protocol):
    """An engine that runs a migration."""

    def write_blocking(self, work: Callable[[Transaction], T]) -> T: ...

    def run_script(self, script: str) -> None: ...


class SchemaTooNew(Exception):
    """The database was written by a newer program; this one must not touch it."""


def known_migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration of this program, in order."""
    found = []
    for entry in files("storage").joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append((int(number), name, entry.read_text(encoding="utf-8")))
    return sorted(found)


def _applied(tx: Transaction) -> set[int]:
    tx.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (number INTEGER NOT NULL, name TEXT NOT NULL)"
    )
    return {row[0] for row in tx.all("SELECT number FROM schema_version")}


def migrate(database: Migratable) -> list[str]:
    """Bring the schema up to this program; the names of the migrations that were applied.

    Blocking. Raises :class:`SchemaTooNew` when the database knows a migration that this program
    does not. A migration that fails leaves the database as the one before it did.
    """
    migrations = known_migrations()
    applied = database.write_blocking(_applied)
    unknown = sorted(applied - {number for number, _, _ in migrations})
    if unknown:
        raise SchemaTooNew(
            f"the database has migration {unknown[-1]}, this program knows up to "
            f"{migrations[-1][0]}: start the newer version of Myelin that wrote it"
        )
    names = []
    for number, name, script in migrations:
        if number in applied:
            continue

        def apply(
            tx: Transaction, number: int = number, name: str = name, sql: str = script
        ) -> None:
            database.run_script(sql)
            tx.execute("INSERT INTO schema_version (number, name) VALUES (?, ?)", (number, name))

        database.write_blocking(apply)
        names.append(f"{number:04d}_{name}")
    return names
