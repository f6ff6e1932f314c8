"""What is asked of storage about the servers that operators block."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import ServerName


@attrs.frozen
class BlockedServer:
    """A server that is blocked since a time, in milliseconds."""

    server_name: ServerName
    blocked_ms: int


class BlockedServerStore(Protocol):
    """The servers that are blocked, beside those of the configuration."""

    async def blocked(self) -> list[BlockedServer]:
        """All of them, by name."""
        ...

    async def block(self, server: BlockedServer) -> None:
        """Block a server; one that is blocked keeps its time."""
        ...

    async def unblock(self, server_name: ServerName) -> None:
        """Block a server no more."""
        ...
