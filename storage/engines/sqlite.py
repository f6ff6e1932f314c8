"""The embedded engine: SQLite in write-ahead mode, one writer and a few readers.

Durability: ``synchronous = FULL``, so a commit that was answered survives a loss of power.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from twisted.internet.interfaces import IReactorFromThreads

from homeserver.ports.database import DatabaseDown, DatabaseFull, Row, Transaction, UniqueViolation
from storage.engines.threads import Workers

P = ParamSpec("P")
T = TypeVar("T")

_ANY = re.compile(r"=\s*ANY\(\?\)")
_ANY_ARRAY = re.compile(r"=\s*ANY\(ARRAY\(")


@lru_cache(maxsize=4096)
def _translate(sql: str) -> str:
    """PostgreSQL's ``= ANY(?)`` and ``= ANY(ARRAY(SELECT ...))`` in SQLite's words; a list
    parameter travels as JSON."""
    sql = _ANY.sub("IN (SELECT value FROM json_each(?))", sql)
    while (found := _ANY_ARRAY.search(sql)) is not None:
        end = _closing(sql, found.end())
        sql = f"{sql[: found.start()]}IN ({sql[found.end() : end]}{sql[end + 1 :]}"
    return sql


def _closing(sql: str, start: int) -> int:
    """Where the parenthesis is closed that was opened before a place."""
    depth = 1
    for index in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[index], 0)
        if not depth:
            return index
    raise ValueError(f"A parenthesis is not closed: {sql}")


def _bind(parameters: Sequence[Any]) -> Sequence[Any]:
    if any(type(p) is list for p in parameters):
        return [json.dumps(p) if type(p) is list else p for p in parameters]
    return parameters


class SqliteTransaction:
    """See :class:`homeserver.ports.database.Transaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._connection.execute(_translate(sql), _bind(parameters)).rowcount

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(_translate(sql), _bind(parameters)).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self._connection.execute(_translate(sql), _bind(parameters)).fetchone()
        return row

    def insert(self, head: str, rows: Iterable[Sequence[Any]], tail: str = "") -> None:
        rows = list(rows)
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"{head} ({marks}) {tail}", rows)


def _in_our_words(error: sqlite3.IntegrityError | sqlite3.OperationalError) -> Exception | None:
    """What went wrong; None when it is a fault of the statement."""
    match error.sqlite_errorcode:
        case sqlite3.SQLITE_CONSTRAINT_UNIQUE | sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
            return UniqueViolation(str(error))
        case sqlite3.SQLITE_FULL:
            return DatabaseFull(str(error))
        case sqlite3.SQLITE_ERROR:
            return None
    return DatabaseDown(str(error)) if isinstance(error, sqlite3.OperationalError) else None


class SqliteDatabase:
    """See :class:`homeserver.ports.database.Database`."""

    dialect = "sqlite"

    def __init__(self, path: Path, reactor: IReactorFromThreads, readers: int = 2) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self.writer = Workers(reactor, 1, "sqlite-writer")
        self.readers = Workers(reactor, readers, "sqlite-reader")

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            try:
                connection = sqlite3.connect(
                    self._path,
                    isolation_level=None,
                    check_same_thread=False,
                    cached_statements=512,
                )
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA busy_timeout = 10000")
                connection.execute("PRAGMA temp_store = MEMORY")
            except sqlite3.DatabaseError as error:
                raise DatabaseDown(str(error)) from error
            self._local.connection = connection
            self._open.append(connection)
        return connection

    def read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        return self.readers.run(self._read, work, args, kwargs)

    def _read(self, work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        connection = self._connect()
        try:
            # One snapshot for all statements of the work.
            connection.execute("BEGIN")
            try:
                return work(SqliteTransaction(connection), *args, **kwargs)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if (known := _in_our_words(error)) is not None:
                raise known from error
            raise

    def write_once(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        return self.writer.run(self.write_blocking, work)

    def write_blocking(self, work: Callable[[Transaction], T]) -> T:
        """Run one writing transaction on the calling thread."""
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(SqliteTransaction(connection))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
            if (known := _in_our_words(error)) is not None:
                raise known from error
            raise
        return result

    def run_script(self, script: str) -> None:
        """Run a migration (statements, written for PostgreSQL) on the calling thread, in the
        transaction that the caller has begun."""
        script = script.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
        connection = self._connect()
        for statement in filter(str.strip, script.split(";\n")):
            connection.execute(statement)

    def close(self) -> None:
        """Wait for running work, then close every connection."""
        self.writer.close()
        self.readers.close()
        for connection in self._open:
            connection.close()
