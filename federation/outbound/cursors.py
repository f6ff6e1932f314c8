"""Keeping in the database how far every destination is.

Written behind, all that changed at once: after a crash a little is sent again, and receivers know
events by their IDs. Which servers are in which rooms is written in the same transaction, so that
what lies after a cursor can always be found.
"""

from __future__ import annotations

from typing import Final

import structlog
from twisted.internet.defer import Deferred, DeferredLock

from federation.outbound.destinations import Destinations
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.federation.outbound import (
    CursorChanges,
    OutboundStore,
    Positions,
    Presence,
    ServerMove,
)

FLUSH_SECONDS: Final = 1.0

SELDOM_SECONDS: Final = 60.0
"""How often it is written how far the log was handed out while there is nobody to send it to."""

log = structlog.get_logger(__name__)


class CursorKeeper:
    """Saves how far destinations are, and which servers are in rooms."""

    def __init__(self, store: OutboundStore, destinations: Destinations, clock: Clock) -> None:
        self._store = store
        self._destinations = destinations
        self._clock = clock
        self._presences: dict[int, Presence] = {}
        self._moves: list[ServerMove] = []
        self._lock = DeferredLock()
        self._is_due = False
        self._is_due_some_time = False
        self._floor: Positions = ()

    def note_presence(self, presence: Presence) -> None:
        """These servers are in a room, whatever was saved before."""
        # If there is one already, what has changed since then was noted as moves.
        self._presences.setdefault(presence.room_nid, presence)
        self.changed()

    def note_move(self, move: ServerMove) -> None:
        """A server came into a room or left it."""
        self._moves.append(move)
        self.changed()

    def changed(self) -> None:
        """Something will have to be saved soon."""
        if not self._is_due:
            self._is_due = True
            self._clock.call_later(FLUSH_SECONDS, self._flush_later)

    def went_on(self) -> None:
        """The log has gone on, and nobody had to be sent anything."""
        if not self._is_due and not self._is_due_some_time:
            self._is_due_some_time = True
            self._clock.call_later(SELDOM_SECONDS, self._flush_some_time)

    async def settled(self) -> None:
        """Resolve when it is saved which servers are in rooms. Raises DatabaseDown."""
        if self._presences or self._moves or self._lock.locked:
            await self.flush()
        if self._presences or self._moves:
            raise DatabaseDown("it is not saved which servers are in rooms")

    async def flush(self) -> None:
        """Save what has changed; also when the server stops."""
        await self._lock.acquire()
        try:
            await self._save()
        finally:
            self._lock.release()

    async def _save(self) -> None:
        destinations = self._destinations
        behind: dict[ServerName, Positions] = {}
        for each in destinations:
            if each.is_behind and each.saved != tuple(each.cursor):
                behind[each.name] = tuple(each.cursor)
        live_again = [
            each for each in destinations if not each.is_behind and each.saved is not None
        ]
        caught_up = destinations.caught_up | {each.name for each in live_again}
        floor = destinations.floor()
        presences, self._presences = self._presences, {}
        moves, self._moves = self._moves, []
        if not (behind or caught_up or presences or moves) and floor == self._floor:
            return
        changes = CursorChanges(floor, behind, caught_up, list(presences.values()), moves)
        try:
            await self._store.save(changes)
        except (DatabaseDown, DatabaseFull) as error:
            log.warning("cursors_not_written", count=len(behind), error=str(error))
            self._presences = {**presences, **self._presences}
            self._moves = [*moves, *self._moves]
            self.changed()
            return
        self._floor = floor
        destinations.caught_up -= caught_up
        for each in live_again:
            each.saved = None if not each.is_behind else ()
        for name, cursor in behind.items():
            known = destinations.get(name)
            if known is not None:
                known.saved = cursor
            else:
                destinations.caught_up.add(name)
                self.changed()

    def _flush_some_time(self) -> None:
        self._is_due_some_time = False
        self.changed()

    def _flush_later(self) -> None:
        self._is_due = False
        Deferred.fromCoroutine(self.flush()).addErrback(
            lambda failure: log.error("cursors_not_written", exc_info=failure.value)
        )
