"""Rooms that this server is not in, as others describe them.

Server-server API, "Spaces".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

import attrs
import structlog

from federation.queries.asking import SECONDS, RemoteServers
from federation.queries.told_rooms import read_children, read_summaries, read_summary
from federation.transport.errors import FederationError
from federation.transport.expiring_cache import ExpiringCache
from federation.transport.request_paths import federation_path
from federation.transport.single_flight import SingleFlight
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId, ServerName, is_server_name
from homeserver.ports.clock import Clock
from homeserver.ports.federation.remote_spaces import RemoteSpace
from homeserver.ports.federation.servers_in_rooms import ServersInRooms

KEPT_SECONDS: Final = 300.0
UNKNOWN_SECONDS: Final = 60.0
"""How long a description is remembered, and that nobody gave one."""
MOST_KEPT: Final = 2_000
MOST_ASKED: Final = 3
"""How many servers are asked about a room, one after the other."""

_MAX_BYTES: Final = 4 * 1024 * 1024

log = structlog.get_logger(__name__)


_Question: TypeAlias = tuple[RoomId, tuple[ServerName, ...]]


@attrs.frozen
class _Known:
    space: RemoteSpace | None


class RemoteSpaces:
    """See :class:`homeserver.ports.federation.remote_spaces.RemoteSpaces`."""

    def __init__(
        self, servers: RemoteServers, rooms: ServersInRooms, own_name: ServerName, clock: Clock
    ) -> None:
        self._servers = servers
        self._rooms = rooms
        self._own_name = own_name
        # By the servers that were asked too: who names them is not to decide what others are told.
        self._known: ExpiringCache[_Question, _Known] = ExpiringCache(clock, MOST_KEPT)
        self._asking: SingleFlight[_Question, _Known] = SingleFlight()

    async def elsewhere(self, room_ids: Collection[RoomId]) -> set[RoomId]:
        return set(room_ids) - await self._rooms.joined(self._own_name, room_ids)

    async def space(self, room_id: RoomId, via: Sequence[ServerName]) -> RemoteSpace | None:
        question = (room_id, self._to_ask(room_id, via))
        known = self._known.get(question)
        if known is None:
            known = await self._asking.run(question, lambda: self._ask_each(question))
        return known.space

    def _to_ask(self, room_id: RoomId, via: Sequence[ServerName]) -> tuple[ServerName, ...]:
        named = room_id.partition(":")[2]
        servers = [*via, ServerName(named)] if is_server_name(named) else [*via]
        distinct = dict.fromkeys(server for server in servers if server != self._own_name)
        return tuple(distinct)[:MOST_ASKED]

    async def _ask_each(self, question: _Question) -> _Known:
        room_id, servers = question
        path = federation_path("hierarchy", room_id)
        for server in servers:
            try:
                told = await self._servers.get_json(
                    server,
                    path,
                    query={"suggested_only": "false"},
                    timeout=SECONDS,
                    max_bytes=_MAX_BYTES,
                )
            except FederationError as error:
                log.info("room_not_described", room_id=room_id, server=server, error=str(error))
                continue
            space = _read(room_id, told)
            if space is not None:
                return self._keep(question, _Known(space), KEPT_SECONDS)
        return self._keep(question, _Known(None), UNKNOWN_SECONDS)

    def _keep(self, question: _Question, known: _Known, seconds: float) -> _Known:
        self._known.put(question, known, seconds)
        return known


def _read(room_id: RoomId, told: JsonObject) -> RemoteSpace | None:
    room = told.get("room")
    summary = read_summary(room)
    if not isinstance(room, dict) or summary is None or summary.room_id != room_id:
        return None
    inaccessible = told.get("inaccessible_children")
    listed = inaccessible if isinstance(inaccessible, list) else []
    return RemoteSpace(
        summary,
        tuple(read_children(room.get("children_state"))),
        {child.room_id: child for child in read_summaries(told.get("children"))},
        frozenset(RoomId(each) for each in listed if isinstance(each, str)),
    )
