"""The log: positions handed out in commit order, group commit, publication.

Everything that is written joins the pending batch. A batch closes as soon as the previous commit
returns, so an idle server adds no delay and a busy one amortises: one transaction, and one
statement a table, for all that arrived meanwhile. After the commit its entries are published to the
subscribers in order, and only then the writers are answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import attrs
import structlog
from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from homeserver.domain.errors import DatabaseUnavailable
from homeserver.log.entries import Entry, EventEntry
from homeserver.ports.database import Database, DatabaseDown, DatabaseFull, Transaction
from homeserver.ports.rooms.events import EventAppend

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Work = Callable[[Transaction], Any]
Subscriber = Callable[[Sequence[Entry]], None]

# How many positions an owner reserves at once, so that positions that were handed out for things
# that are never stored are not handed out again after a restart.
RESERVED = 1000


class LogStore(Protocol):
    """The rows of the log."""

    def append_events(self, tx: Transaction, appends: Sequence[EventAppend]) -> None:
        """Write events and all that follows from them, one statement a table."""
        ...

    def raise_high_water(self, tx: Transaction, marks: Sequence[tuple[int, int]]) -> None:
        """Reserve positions: (shard, high water) pairs."""
        ...


class Chain:
    """Writes that build on each other: when one fails, those after it must fail too.

    A room actor has one chain for as long as it lives. ``on_break`` is called once.
    """

    __slots__ = ("broken", "on_break")

    def __init__(self, on_break: Callable[[], None]) -> None:
        self.broken = False
        self.on_break = on_break

    def snap(self) -> None:
        """Mark the chain as broken."""
        if not self.broken:
            self.broken = True
            self.on_break()


@attrs.define(slots=True, eq=False)
class _Pending:
    deferred: Deferred[Any]
    entries: Sequence[Entry]
    work: Work | None
    chain: Chain | None


async def all_committed(commits: Sequence[Deferred[Any]]) -> None:
    """Wait for several commits; raises what the first that failed failed with."""
    for succeeded, result in await DeferredList(commits, consumeErrors=True):
        if not succeeded:
            result.raiseException()


class Log:
    """The log of the shards that this process owns."""

    def __init__(
        self,
        database: Database,
        store: LogStore,
        high_water: Sequence[int],
        observe_batch: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self._database = database
        self._store = store
        self._observe_batch = observe_batch
        self._handed_out = list(high_water)
        self._reserved = list(high_water)
        self.published = list(high_water)
        self._pending: list[_Pending] = []
        self._committing = False
        self._subscribers: list[Subscriber] = []
        self._idle: list[Deferred[None]] = []

    @property
    def shards(self) -> int:
        """How many shards the deployment has."""
        return len(self._handed_out)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call ``subscriber`` with the entries of each batch after its commit."""
        self._subscribers.append(subscriber)

    def next_position(self, shard: int) -> int:
        """Hand out the next position of a shard. Whoever takes one appends an entry for it before
        anything else runs."""
        self._handed_out[shard] += 1
        return self._handed_out[shard]

    def append_event(self, append: EventAppend, shard: int, chain: Chain) -> Deferred[None]:
        """Append an event at the position it was built for; resolves after commit and publication.

        Fails with what made its row fail, or with DatabaseUnavailable when an event that it was
        built on failed.
        """
        return self.append_events([append], shard, chain)

    def append_events(
        self, appends: Sequence[EventAppend], shard: int, chain: Chain
    ) -> Deferred[None]:
        """Append events that are stored together or not at all; as ``append_event``."""
        entries = [EventEntry(shard, append.stored.position, append) for append in appends]
        return self._queue(entries, None, chain)

    def append(self, entry: Entry, work: Callable[[Transaction], T] | None = None) -> Deferred[T]:
        """Append an entry, with the work that stores it (none for what is not stored)."""
        return cast("Deferred[T]", self._queue([entry], work, None))

    def append_all(self, entries: Sequence[Entry], work: Callable[[Transaction], T]) -> Deferred[T]:
        """Append entries, of several shards perhaps, with the one work that stores them all."""
        return cast("Deferred[T]", self._queue(entries, work, None))

    def write(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """See :class:`homeserver.ports.database.Transactions`."""
        return self._queue((), lambda tx: work(tx, *args, **kwargs), None)

    async def read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """See :class:`homeserver.ports.database.Transactions`."""
        return await self._database.read(work, *args, **kwargs)

    async def drained(self) -> None:
        """Resolve when nothing is pending."""
        if self._committing or self._pending:
            deferred: Deferred[None] = Deferred()
            self._idle.append(deferred)
            await deferred

    def _queue(
        self, entries: Sequence[Entry], work: Work | None, chain: Chain | None
    ) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        self._pending.append(_Pending(deferred, entries, work, chain))
        if not self._committing:
            self._committing = True
            Deferred.fromCoroutine(self._commit_all())
        return deferred

    async def _commit_all(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            await self._commit(batch)
        self._committing = False
        idle, self._idle = self._idle, []
        for deferred in idle:
            deferred.callback(None)

    async def _commit(self, batch: list[_Pending]) -> None:
        standing = []
        for item in batch:
            if item.chain is not None and item.chain.broken:
                self._fail(item, DatabaseUnavailable(500, "An earlier change was not stored"))
            else:
                standing.append(item)
        entries = [entry for item in standing for entry in item.entries]
        events = [entry.append for entry in entries if isinstance(entry, EventEntry)]
        works = [i.work for i in standing]
        marks = self._marks(entries)
        results: list[Any]
        if not events and not marks and not any(works):
            results = [None] * len(standing)
        else:

            def run(tx: Transaction) -> list[Any]:
                if marks:
                    self._store.raise_high_water(tx, marks)
                if events:
                    self._store.append_events(tx, events)
                return [work(tx) if work is not None else None for work in works]

            started = time.monotonic()
            try:
                results = await self._database.write_once(run)
            except (DatabaseDown, DatabaseFull) as error:
                # A connection that broke during the commit leaves open whether it took place. If it
                # did, whoever reads the database next finds the rows, so they must be in sight.
                self._advance(entries)
                for item in standing:
                    self._fail(item, error)
                return
            except Exception as error:
                await self._bisect(standing, error)
                return
            self._observe_batch(len(standing), time.monotonic() - started)
        for shard, mark in marks:
            self._reserved[shard] = mark
        self._publish(entries)
        for item, result in zip(standing, results, strict=True):
            item.deferred.callback(result)

    async def _bisect(self, batch: list[_Pending], error: Exception) -> None:
        """Find the row that made a batch fail, so that only it and what builds on it is refused."""
        if len(batch) == 1:
            self._fail(batch[0], error)
            return
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        await self._commit(batch[middle:])

    def _fail(self, item: _Pending, error: Exception) -> None:
        if item.chain is not None:
            item.chain.snap()
        item.deferred.errback(Failure(error))

    def _marks(self, entries: Sequence[Entry]) -> list[tuple[int, int]]:
        highest: dict[int, int] = {}
        for entry in entries:
            highest[entry.shard] = max(highest.get(entry.shard, 0), entry.position)
        return [
            (shard, position + RESERVED)
            for shard, position in highest.items()
            if position > self._reserved[shard]
        ]

    def _advance(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.published[entry.shard] = entry.position

    def _publish(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        self._advance(entries)
        for subscriber in self._subscribers:
            try:
                subscriber(entries)
            except Exception:
                # Its fault must not stop the log, on which everybody waits.
                log.exception("subscriber_failed")
