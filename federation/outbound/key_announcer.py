"""Telling other servers that the keys of this server's users have changed.

Server-server API, "Device Management". What changed is found by comparing the keys with what others
were told last, so nothing is lost when the server dies in between.
"""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable
from typing import Any

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from federation.outbound.destinations import Destinations
from federation.outbound.due import Due
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.log.entries import DeviceListEntry
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.encryption.device_lists import DeviceListStore
from homeserver.ports.federation.outbound import DeviceListStreamStore, OutboundStore
from homeserver.rooms.directory import RoomDirectory

log = structlog.get_logger(__name__)


class SharedServers:
    """Finds the servers that are in some rooms, without loading any."""

    def __init__(
        self, directory: RoomDirectory, store: OutboundStore, memberships: DeviceListStore
    ) -> None:
        self._directory = directory
        self._store = store
        self._memberships = memberships

    async def in_rooms(self, room_nids: Iterable[int]) -> set[ServerName]:
        """The servers in some rooms."""
        servers: set[ServerName] = set()
        unloaded = []
        for nid in room_nids:
            actor = self._directory.loaded(nid)
            if actor is None:
                unloaded.append(nid)
            else:
                servers.update(actor.view.joined_servers)
        return servers | await self._store.servers_in(unloaded)

    async def rooms_of(self, user_id: UserId) -> list[int]:
        """The numbers of the rooms that a user is in."""
        return await self._memberships.joined_rooms(user_id)


class KeyAnnouncer:
    """Records changes of keys, and hands them out to the servers that see the user."""

    def __init__(
        self, stream: DeviceListStreamStore, shared: SharedServers, destinations: Destinations
    ) -> None:
        self._stream = stream
        self._shared = shared
        self._destinations = destinations

    def changed(self, entry: DeviceListEntry) -> None:
        """The keys of a user of this server changed."""
        place = (entry.shard, entry.position)
        self._run(self._tell(entry.user_id, place, entry.room_nids))

    def joined(self, user_id: UserId, room_nid: int, place: tuple[int, int]) -> None:
        """A user of this server came into a room with other servers; ``place`` is one in the log,
        its shard and position."""
        self._run(self._introduce(user_id, room_nid, place))

    async def look_again(self, user_id: UserId, place: tuple[int, int]) -> list[ServerName]:
        """The keys of a user may have changed at a place without anybody being told; the servers
        that see them."""
        room_nids = await self._shared.rooms_of(user_id)
        await self._tell(user_id, place, room_nids)
        return self._destinations.others(await self._shared.in_rooms(room_nids))

    async def _tell(
        self, user_id: UserId, place: tuple[int, int], room_nids: Collection[int]
    ) -> None:
        with self._destinations.held(*place):
            servers = self._destinations.others(await self._shared.in_rooms(room_nids))
            if servers:
                await self._record(user_id, place, servers, announce=False)

    async def _introduce(self, user_id: UserId, room_nid: int, place: tuple[int, int]) -> None:
        with self._destinations.held(*place):
            others = set(await self._shared.rooms_of(user_id)) - {room_nid}
            known = await self._shared.in_rooms(others)
            here = self._destinations.others(await self._shared.in_rooms([room_nid]))
            if not known.issuperset(here):
                servers = {*here, *self._destinations.others(known)}
                await self._record(user_id, place, servers, announce=True)

    async def _record(
        self,
        user_id: UserId,
        place: tuple[int, int],
        servers: Collection[ServerName],
        *,
        announce: bool,
    ) -> None:
        changes = await self._stream.record(user_id, *place, announce=announce)
        dues: list[Due] = [*changes.devices, *changes.signing_keys]
        for due in dues:
            self._destinations.due(servers, due)

    @staticmethod
    def _run(work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(_not_told)


def _not_told(failure: Failure) -> None:
    if failure.check(DatabaseDown, DatabaseFull):
        # The next change of the user's keys brings it to light.
        log.warning("keys_not_told", error=str(failure.value))
    else:
        log.error("keys_not_told", exc_info=failure.value)
