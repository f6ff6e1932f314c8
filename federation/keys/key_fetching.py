"""Asking for keys over the network: each server once at a time, and not too often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import structlog
from twisted.internet.defer import Deferred, DeferredSemaphore

from federation.keys.asking_intervals import AskingIntervals
from federation.keys.key_book import KeyBook
from federation.keys.key_response import KeyResponse
from federation.keys.shared_work import SharedWork, all_done
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock

log = structlog.get_logger(__name__)

AT_ONCE: Final = 64
"""How many requests for keys are under way at a time."""

MOST_WAITING: Final = 20_000
"""How many servers may be asked or wait to be asked; nobody is asked beyond them."""

Wanted: TypeAlias = Mapping[ServerName, Mapping[str, int]]
"""Which keys of which servers, and until when they must be good, in milliseconds."""


class KeysUnavailable(Exception):
    """Nobody answered, or with nothing that is of use."""


class KeySource(Protocol):
    """Somebody who can be asked for keys."""

    servers_per_request: int
    """How many servers one request can be about."""

    from_origin: bool
    """Whether the servers are asked themselves."""

    async def fetch(self, wanted: Wanted) -> Sequence[KeyResponse]:
        """Ask for the keys of at most ``servers_per_request`` servers. Raises KeysUnavailable."""
        ...


class KeyFetching:
    """Asks one source, and enters what it says in the book."""

    def __init__(self, source: KeySource, book: KeyBook, clock: Clock) -> None:
        self._source = source
        self._book = book
        self._intervals = AskingIntervals(clock)
        self._asking: SharedWork[ServerName] = SharedWork()
        self._slots = DeferredSemaphore(AT_ONCE)

    async def fetch(self, wanted: Wanted) -> None:
        """Ask for the keys of some servers.

        Resolves when the book has what there is. Servers that are being asked are waited for, those
        that were asked a short while ago are left in peace.
        """
        servers = [server for server in wanted if self._may_ask(server)]
        if len(servers) < len(wanted) and len(self._asking) >= MOST_WAITING:
            log.warning("too_many_key_requests", left_out=len(wanted) - len(servers))

        async def ask(new: list[ServerName]) -> None:
            await self._ask({server: wanted[server] for server in new})

        await all_done(
            Deferred.fromCoroutine(self._asking.share(batch, ask))
            for batch in self._batches(servers)
        )

    def _may_ask(self, server: ServerName) -> bool:
        if self._asking.is_under_way(server):
            return True
        return len(self._asking) < MOST_WAITING and self._intervals.is_due(server)

    def _batches(self, servers: list[ServerName]) -> Iterator[list[ServerName]]:
        size = self._source.servers_per_request
        for start in range(0, len(servers), size):
            yield servers[start : start + size]

    async def _ask(self, wanted: Wanted) -> None:
        await self._slots.acquire()
        try:
            responses = await self._source.fetch(wanted)
        except KeysUnavailable as error:
            log.info("keys_unavailable", servers=sorted(wanted)[:10], reason=str(error))
            responses = []
        finally:
            self._slots.release()
        answered = {response.server for response in responses}
        for server in wanted:
            if server in answered:
                self._intervals.note_answer(server)
            else:
                self._intervals.note_failure(server)
        if responses:
            await self._book.learn(responses, from_origin=self._source.from_origin)
