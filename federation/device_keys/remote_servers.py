"""What looking up keys asks of the way to other servers."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName


class RemoteServers(Protocol):
    """Sends requests; see :class:`federation.transport.federation_client.FederationClient`."""

    async def get_json(
        self, destination: ServerName, path: str, /, *, max_bytes: int | None = None
    ) -> JsonObject:
        """The JSON object that a server answers to GET."""
        ...

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject,
        /,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> JsonObject:
        """The JSON object that a server answers to POST."""
        ...
