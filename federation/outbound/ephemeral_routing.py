"""To whom typing, presence and receipts are due."""

from __future__ import annotations

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from federation.outbound.destinations import Destinations
from federation.outbound.key_announcer import SharedServers
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.log.entries import PresenceEntry, ReceiptEntry, TypingEntry
from homeserver.ports.federation.outbound import PublicReceipt
from homeserver.rooms.directory import RoomDirectory
from homeserver.sync.sessions import PRESENCE_ROOM_LIMIT

log = structlog.get_logger(__name__)


class EphemeralRouting:
    """Hands out what passes. Rooms that are not in memory have nobody who types or reads."""

    def __init__(
        self,
        own_name: ServerName,
        directory: RoomDirectory,
        shared: SharedServers,
        destinations: Destinations,
    ) -> None:
        self._own_name = own_name
        self._directory = directory
        self._shared = shared
        self._destinations = destinations
        self._typing: dict[int, frozenset[UserId]] = {}
        self.has_peers = False
        """Whether any room may have other servers in it."""

    def _is_local(self, user_id: UserId) -> bool:
        return server_name_of(user_id) == self._own_name

    def typing(self, entry: TypingEntry) -> None:
        """Those who began to type in a room, and those who ended."""
        now = frozenset(filter(self._is_local, entry.user_ids))
        before = self._typing.pop(entry.room_nid, frozenset())
        if now:
            self._typing[entry.room_nid] = now
        actor = self._directory.loaded(entry.room_nid)
        if actor is None or len(actor.view.joined_servers) < 2:
            return
        view = actor.view
        for user_id in sorted(now ^ before):
            self._destinations.typing(view.joined_servers, view.room_id, user_id, user_id in now)

    def receipts(self, entry: ReceiptEntry) -> None:
        """Public receipts that moved."""
        actor = self._directory.loaded(entry.room_nid)
        if actor is None or len(actor.view.joined_servers) < 2:
            return
        view = actor.view
        for row in entry.receipts:
            if row.receipt_type == "m.read" and self._is_local(row.user_id):
                receipt = PublicReceipt(
                    view.room_id,
                    row.user_id,
                    row.thread_id,
                    row.event_id,
                    row.ts,
                    entry.shard,
                    entry.position,
                )
                self._destinations.receipt(view.joined_servers, receipt)

    def presence(self, entry: PresenceEntry) -> None:
        """The presence of a user changed."""
        if self.has_peers and self._is_local(entry.user_id):
            Deferred.fromCoroutine(self._presence(entry)).addErrback(_not_told)

    async def _presence(self, entry: PresenceEntry) -> None:
        servers: set[ServerName] = set()
        for nid in await self._shared.rooms_of(entry.user_id):
            actor = self._directory.loaded(nid)
            if actor is not None and actor.view.joined_count <= PRESENCE_ROOM_LIMIT:
                servers.update(actor.view.joined_servers)
        self._destinations.presence(servers, entry.user_id, entry.content)


def _not_told(failure: Failure) -> None:
    log.warning("presence_not_told", error=str(failure.value))
