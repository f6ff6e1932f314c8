"""The engine that grows: PostgreSQL through psycopg2, one writing connection and a few reading.

Connections live on the threads of their pool, are set up once and are opened again after the server
went away. Reads run in autocommit mode: one round trip a statement, no BEGIN, no ping.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2.extras import execute_values
from twisted.internet.interfaces import IReactorFromThreads

from homeserver.ports.database import (
    DatabaseDown,
    DatabaseFull,
    Row,
    Transaction,
    UniqueViolation,
    UnstorableText,
)
from storage.engines.threads import Workers

P = ParamSpec("P")
T = TypeVar("T")

_QUESTION_MARK = re.compile(r"\?")


@lru_cache(maxsize=4096)
def _translate(sql: str) -> str:
    return _QUESTION_MARK.sub("%s", sql.replace("%", "%%"))


class PostgresTransaction:
    """See :class:`homeserver.ports.database.Transaction`."""

    def __init__(self, cursor: psycopg2.extensions.cursor) -> None:
        self._cursor = cursor

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        self._cursor.execute(_translate(sql), parameters)
        return self._cursor.rowcount

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        self._cursor.execute(_translate(sql), parameters)
        return self._cursor.fetchall()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        self._cursor.execute(_translate(sql), parameters)
        return self._cursor.fetchone()

    def insert(self, head: str, rows: Iterable[Sequence[Any]], tail: str = "") -> None:
        rows = list(rows)
        if rows:
            execute_values(self._cursor, f"{head} %s {tail}", rows, page_size=len(rows))


def _unstorable(error: ValueError) -> Exception:
    """The driver refuses a text with U+0000 by a ValueError, before anything is sent."""
    return UnstorableText(str(error)) if "NUL" in str(error) else error


# bytea arrives as bytes, not as a memoryview, as it does from SQLite.
_BYTES = psycopg2.extensions.new_type(
    (17,), "BYTES", lambda value, cursor: None if value is None else bytes(_decode(value, cursor))
)


class _TextLikeBytes:
    """A bytea parameter that is ASCII, as nearly all are that hold JSON: written as it is, it takes
    half of what the hexadecimal form takes, of the server's time too."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def getquoted(self) -> bytes:
        # A backslash is special to bytea, an apostrophe to SQL.
        return b"'%b'::bytea" % self._value.replace(b"\\", b"\\\\").replace(b"'", b"''")


def _adapted(value: bytes) -> Any:
    if value.isascii() and b"\0" not in value:
        return _TextLikeBytes(value)
    return psycopg2.Binary(value)


psycopg2.extensions.register_adapter(bytes, _adapted)


def _decode(value: Any, cursor: Any) -> Any:
    return psycopg2.BINARY(value, cursor)


class PostgresDatabase:
    """See :class:`homeserver.ports.database.Database`."""

    dialect = "postgres"

    def __init__(self, dsn: str, reactor: IReactorFromThreads, readers: int = 4) -> None:
        self._dsn = dsn
        self._local = threading.local()
        self._open: set[psycopg2.extensions.connection] = set()
        self.writer = Workers(reactor, 1, "postgres-writer")
        self.readers = Workers(reactor, readers, "postgres-reader")

    def _connect(self, *, autocommit: bool) -> psycopg2.extensions.connection:
        connection: psycopg2.extensions.connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            try:
                connection = psycopg2.connect(
                    self._dsn, connect_timeout=10, application_name="myelin"
                )
            except psycopg2.OperationalError as error:
                raise DatabaseDown(str(error).strip()) from error
            connection.set_client_encoding("UTF8")
            connection.autocommit = autocommit
            psycopg2.extensions.register_type(_BYTES, connection)
            self._local.connection = connection
            self._open.add(connection)
        return connection

    def _forget(self, connection: psycopg2.extensions.connection) -> None:
        self._open.discard(connection)
        self._local.connection = None
        connection.close()

    def read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        return self.readers.run(self._read, work, args, kwargs)

    def _read(self, work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        try:
            return self._read_now(work, args, kwargs)
        except DatabaseDown:
            # The connection may have died of a restart long ago: a read is safe to repeat once.
            return self._read_now(work, args, kwargs)

    def _read_now(self, work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        connection = self._connect(autocommit=True)
        try:
            with connection.cursor() as cursor:
                return work(PostgresTransaction(cursor), *args, **kwargs)
        except ValueError as error:
            raise _unstorable(error) from error
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self._forget(connection)
            raise DatabaseDown(str(error).strip()) from error

    def write_once(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        return self.writer.run(self.write_blocking, work)

    def write_blocking(self, work: Callable[[Transaction], T]) -> T:
        """Run one writing transaction on the calling thread."""
        connection = self._connect(autocommit=False)
        try:
            try:
                with connection.cursor() as cursor:
                    result = work(PostgresTransaction(cursor))
                connection.commit()
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise
        except ValueError as error:
            raise _unstorable(error) from error
        except psycopg2.errors.UniqueViolation as error:
            raise UniqueViolation(str(error).strip()) from error
        except psycopg2.errors.DiskFull as error:
            raise DatabaseFull(str(error).strip()) from error
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self._forget(connection)
            raise DatabaseDown(str(error).strip()) from error
        return result

    def run_script(self, script: str) -> None:
        """Run a migration on the calling thread, in the transaction that the caller has begun."""
        with self._connect(autocommit=False).cursor() as cursor:
            cursor.execute(script)

    def close(self) -> None:
        """Wait for running work, then close every connection."""
        self.writer.close()
        self.readers.close()
        for connection in self._open:
            connection.close()
