"""What the floors above ask of a database: transactions on threads of its own.

SQL is written in the stores alone; whoever else passes a unit of work around treats it as a
function of a :class:`Transaction`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

Row = tuple[Any, ...]
P = ParamSpec("P")
T = TypeVar("T")


class UniqueViolation(Exception):
    """A row with the same key exists already."""


class DatabaseDown(Exception):
    """The database did not answer; the work was not done and may be tried again later."""


class DatabaseFull(Exception):
    """The database has no room left for the rows of the work."""


class UnstorableText(Exception):
    """A text holds a character that the database cannot store (U+0000 in PostgreSQL)."""


class Transaction(Protocol):
    """A running transaction. SQL uses ``?`` for parameters and ``= ANY(?)`` for a list."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows it touched."""
        ...

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Every row of a query."""
        ...

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        ...

    def insert(self, head: str, rows: Iterable[Sequence[Any]], tail: str = "") -> None:
        """Insert many rows in one statement: ``INSERT INTO t (a, b) VALUES``, rows, then e.g.
        ``ON CONFLICT DO NOTHING``. No rows: no statement."""
        ...


class Database(Protocol):
    """One database: any number of concurrent reads, one write at a time."""

    def read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        """Run reading work on a reader's thread."""
        ...

    def write_once(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run writing work in one transaction on the writer's thread; resolves after commit."""
        ...


class Transactions(Protocol):
    """What a store is built on: reads, and writes that join the batch that commits next.

    Writing work may run more than once (a batch whose commit fails is split and tried again), so it
    changes nothing but the database.
    """

    def read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        """Run reading work on a reader's thread."""
        ...

    def write(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        """Run writing work in the next batch; resolves after its commit."""
        ...
