"""The directories of published rooms of other servers.

Server-server API, "Published Room Directory".
"""

from __future__ import annotations

from typing import Any, Final

from federation.queries.asking import SECONDS, RemoteServers, for_client
from federation.queries.told_rooms import read_summaries
from federation.transport.errors import RemoteError
from federation.transport.request_paths import Query, federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName
from homeserver.ports.federation.remote_directories import RemoteListing, RemoteListingQuery

PATH: Final = federation_path("publicRooms")
_MAX_BYTES: Final = 8 * 1024 * 1024


class RemoteDirectories:
    """See :class:`homeserver.ports.federation.remote_directories.RemoteDirectories`."""

    def __init__(self, servers: RemoteServers) -> None:
        self._servers = servers

    async def page(self, server: ServerName, query: RemoteListingQuery) -> RemoteListing:
        try:
            told = await self._ask(server, query)
        except RemoteError as error:
            raise for_client(error) from error
        rooms = read_summaries(told.get("chunk"))[: query.limit]
        total = told.get("total_room_count_estimate")
        return RemoteListing(
            rooms,
            _token(told.get("next_batch")),
            _token(told.get("prev_batch")),
            total if type(total) is int and total >= 0 else len(rooms),
        )

    async def _ask(self, server: ServerName, query: RemoteListingQuery) -> JsonObject:
        if not query.search_term and query.room_types is None:
            # What every server understands.
            parameters: Query = {
                "limit": str(query.limit),
                "include_all_networks": "false",
                **({"since": query.since} if query.since is not None else {}),
            }
            return await self._servers.get_json(
                server, PATH, query=parameters, timeout=SECONDS, max_bytes=_MAX_BYTES
            )
        wanted: JsonObject = {}
        if query.search_term:
            wanted["generic_search_term"] = query.search_term
        if query.room_types is not None:
            wanted["room_types"] = list(query.room_types)
        body: JsonObject = {"limit": query.limit, "filter": wanted}
        if query.since is not None:
            body["since"] = query.since
        return await self._servers.post_json(
            server, PATH, body, timeout=SECONDS, max_bytes=_MAX_BYTES
        )


def _token(told: Any) -> str | None:
    return told if isinstance(told, str) and told else None
