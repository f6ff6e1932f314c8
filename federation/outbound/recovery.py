"""Finding what was never handed out: after a crash, or when nobody knew how a commit ended."""

from __future__ import annotations

from contextlib import ExitStack

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from federation.outbound.cursors import CursorKeeper
from federation.outbound.destinations import Destinations
from federation.outbound.key_announcer import KeyAnnouncer
from homeserver.ports.federation.outbound import OutboundStore, Positions, Presence, Window
from homeserver.rooms.directory import RoomDirectory

ROOMS_AT_ONCE = 100

log = structlog.get_logger(__name__)


class Recovery:
    """Looks in the database for what destinations may lack."""

    def __init__(
        self,
        store: OutboundStore,
        directory: RoomDirectory,
        destinations: Destinations,
        cursors: CursorKeeper,
        keys: KeyAnnouncer,
    ) -> None:
        self._store = store
        self._directory = directory
        self._destinations = destinations
        self._cursors = cursors
        self._keys = keys

    async def resume(self) -> None:
        """Begin where the server was when it stopped."""
        saved = await self._store.cursors()
        for name, cursor in saved.behind.items():
            destination = self._destinations.open(name)
            destination.begin_at(cursor)
            destination.saved = cursor
        if saved.floor is not None:
            with ExitStack() as held:
                for shard, position in enumerate(saved.floor):
                    held.enter_context(self._destinations.held(shard, position + 1))
                await self._look(Window(saved.floor, tuple(self._destinations.passed)))
        for destination in self._destinations:
            self._destinations.notify(destination)
        await self._cursors.flush()

    def look_between(self, shard: int, after: int, before: int) -> None:
        """Look at the positions of a shard between two others."""
        passed = self._destinations.passed
        start, end = list(passed), list(passed)
        start[shard], end[shard] = after, before - 1
        window = Window(tuple(start), tuple(end))
        Deferred.fromCoroutine(self._look_at_gap(window, shard, after + 1)).addErrback(_failed)

    async def _look_at_gap(self, window: Window, shard: int, first: int) -> None:
        with self._destinations.held(shard, first):
            await self._look(window)

    async def _look(self, window: Window) -> None:
        touched = await self._store.touched(window)
        nids = list(touched.rooms)
        for start in range(0, len(nids), ROOMS_AT_ONCE):
            await self._look_at_rooms(nids[start : start + ROOMS_AT_ONCE], window.after)
        for user_id, place in touched.keys.items():
            servers = await self._keys.look_again(user_id, place)
            # What was recorded before is not found to differ, yet it may not have been sent.
            self._destinations.due_since(servers, window.after)

    async def _look_at_rooms(self, nids: list[int], after: Positions) -> None:
        # Servers that left meanwhile are told no more than what they were before: they have rows.
        before = await self._store.servers_in(nids)
        servers = set(before)
        for actor in (await self._directory.load(nids)).values():
            view = actor.view
            here = tuple(sorted(view.joined_servers))
            if len(here) > 1 or before:
                position = after[view.shard] + 1
                self._cursors.note_presence(Presence(view.nid, position, here))
                servers.update(here)
        await self._cursors.settled()
        self._destinations.due_since(servers, after)


def _failed(failure: Failure) -> None:
    log.error("recovery_failed", exc_info=failure.value)
