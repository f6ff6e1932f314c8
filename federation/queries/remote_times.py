"""Events near a time, as other servers have them.

Server-server API, "Retrieving events": /timestamp_to_event.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog

from federation.queries.asking import RemoteServers
from federation.transport.errors import FederationError
from federation.transport.request_paths import federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import RoomId, ServerName, parse_event_id
from homeserver.ports.federation.remote_times import TimedEvent

SECONDS: Final = 5.0
MOST_ASKED: Final = 3
"""How many servers are asked, one after the other."""
_MAX_BYTES: Final = 65_536

log = structlog.get_logger(__name__)


class RemoteTimes:
    """See :class:`homeserver.ports.federation.remote_times.RemoteTimes`."""

    def __init__(self, servers: RemoteServers, own_name: ServerName) -> None:
        self._servers = servers
        self._own_name = own_name

    async def nearest(
        self, room_id: RoomId, servers: Collection[ServerName], ts: int, *, backwards: bool
    ) -> TimedEvent | None:
        others = [server for server in servers if server != self._own_name]
        for server in others[:MOST_ASKED]:
            try:
                told = await self._servers.get_json(
                    server,
                    federation_path("timestamp_to_event", room_id),
                    query={"ts": str(ts), "dir": "b" if backwards else "f"},
                    timeout=SECONDS,
                    max_bytes=_MAX_BYTES,
                )
            except FederationError as error:
                log.info("no_event_near_time", room_id=room_id, server=server, error=str(error))
                continue
            found = _read(told)
            if found is not None and _is_beyond(found.origin_server_ts, ts, backwards):
                return found
        return None


def _read(told: JsonObject) -> TimedEvent | None:
    event_id, ts = told.get("event_id"), told.get("origin_server_ts")
    if not isinstance(event_id, str) or type(ts) is not int:
        return None
    try:
        return TimedEvent(parse_event_id(event_id), ts)
    except InvalidParam:
        return None


def _is_beyond(found_ts: int, ts: int, backwards: bool) -> bool:
    return found_ts <= ts if backwards else found_ts >= ts
