"""Judging events one at a time in each room, and not too many rooms at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from twisted.internet.defer import DeferredSemaphore

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.rooms.incoming import Arrival, Incoming
from homeserver.services.turns import Turns

WORKERS: Final = 16
"""How many rooms are worked on at once; the others wait in the order they came."""


class Judging:
    """Gives rooms their turns.

    A turn lasts for one event or a short run, and never while another server is waited for. So a
    room with many events, or with slow servers, takes its turns among the others and holds up none
    of them.
    """

    def __init__(self, incoming: Incoming, workers: int = WORKERS) -> None:
        self._incoming = incoming
        self._turns = Turns()
        self._workers = DeferredSemaphore(workers)

    @asynccontextmanager
    async def turn(self, room_nid: int) -> AsyncIterator[Incoming]:
        """Wait for the turn of a room. In the block no other event of it is taken in."""
        async with self._turns.of(room_nid):
            await self._workers.acquire()
            try:
                yield self._incoming
            finally:
                self._workers.release()

    async def take_in(self, room_nid: int, arrival: Arrival) -> Standing:
        """See :meth:`homeserver.rooms.incoming.Incoming.take_in`."""
        async with self.turn(room_nid) as incoming:
            return await incoming.take_in(room_nid, arrival)

    async def take_in_run(self, room_nid: int, events: Sequence[Event]) -> int:
        """See :meth:`homeserver.rooms.incoming.Incoming.take_in_run`."""
        async with self.turn(room_nid) as incoming:
            return await incoming.take_in_run(room_nid, events)

    async def outliers(
        self, room_nid: int, events: Iterable[Event], known: Mapping[EventId, StoredEvent]
    ) -> dict[EventId, StoredEvent]:
        """See :meth:`homeserver.rooms.incoming.Incoming.outliers`."""
        async with self.turn(room_nid) as incoming:
            return await incoming.outliers(room_nid, events, known)
