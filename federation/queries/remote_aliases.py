"""The aliases of other servers.

Server-server API, "Querying for information": the room directory.
"""

from __future__ import annotations

from typing import Any, Final

from federation.queries.asking import SECONDS, RemoteServers, for_client
from federation.transport.errors import RemoteError
from federation.transport.expiring_cache import ExpiringCache
from federation.transport.request_paths import federation_path
from federation.transport.single_flight import SingleFlight
from homeserver.domain.errors import InvalidParam, UnableToRetrieve
from homeserver.domain.identifiers import (
    RoomAlias,
    ServerName,
    is_server_name,
    parse_room_id,
    server_name_of,
)
from homeserver.ports.clock import Clock
from homeserver.ports.federation.remote_aliases import FoundRoom

KEPT_SECONDS: Final = 60.0
MOST_KEPT: Final = 1_000
MOST_SERVERS: Final = 50
"""How many servers are remembered to join a room by."""

PATH: Final = federation_path("query", "directory")
_MAX_BYTES: Final = 1024 * 1024


class RemoteAliases:
    """See :class:`homeserver.ports.federation.remote_aliases.RemoteAliases`."""

    def __init__(self, servers: RemoteServers, clock: Clock) -> None:
        self._servers = servers
        self._known: ExpiringCache[RoomAlias, FoundRoom] = ExpiringCache(clock, MOST_KEPT)
        self._asking: SingleFlight[RoomAlias, FoundRoom] = SingleFlight()

    async def find(self, alias: RoomAlias) -> FoundRoom:
        known = self._known.get(alias)
        return known or await self._asking.run(alias, lambda: self._ask(alias))

    async def _ask(self, alias: RoomAlias) -> FoundRoom:
        server = server_name_of(alias)
        try:
            told = await self._servers.get_json(
                server, PATH, query={"room_alias": alias}, timeout=SECONDS, max_bytes=_MAX_BYTES
            )
        except RemoteError as error:
            raise for_client(error) from error
        found = _found(told.get("room_id"), told.get("servers"), server)
        self._known.put(alias, found, KEPT_SECONDS)
        return found


def _found(room_id: Any, servers: Any, asked: ServerName) -> FoundRoom:
    """The answer as far as it makes sense; the server that was asked can be joined by most
    likely."""
    named = [
        ServerName(server)
        for server in (servers if isinstance(servers, list) else [])
        if isinstance(server, str) and is_server_name(server)
    ]
    try:
        parsed = parse_room_id(room_id if isinstance(room_id, str) else "")
    except InvalidParam as error:
        raise UnableToRetrieve(f"{asked} does not say which room it is") from error
    return FoundRoom(parsed, tuple(dict.fromkeys([*named[:MOST_SERVERS], asked])))
