"""Servers that operators block while the server runs, beside those of the configuration."""

from __future__ import annotations

import structlog

from federation.transport.destination_health import DestinationHealth
from homeserver.domain.errors import NotFound
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.federation.blocked_servers import BlockedServer, BlockedServerStore

log = structlog.get_logger(__name__)


class BlockedServers:
    """Blocks servers, at once and for good.

    Nothing is sent to a server that is blocked, nothing asked of it and nothing taken from it. A
    name without a port is about the host, whatever its port.
    """

    def __init__(
        self,
        store: BlockedServerStore,
        peers: FederationPeers,
        health: DestinationHealth,
        clock: Clock,
    ) -> None:
        self._store = store
        self._peers = peers
        self._health = health
        self._clock = clock

    async def load(self) -> None:
        """Block those that were blocked when the server stopped."""
        self._peers.block(server.server_name for server in await self._store.blocked())

    async def all(self) -> list[BlockedServer]:
        """The servers that are blocked, by name."""
        return await self._store.blocked()

    async def block(self, server_name: ServerName) -> None:
        """Block a server. One that is blocked stays so."""
        name = ServerName(server_name.lower())
        await self._store.block(BlockedServer(name, self._clock.now_ms()))
        self._peers.block({*self._peers.blocked, name})
        log.info("server_blocked", destination=name)

    async def unblock(self, server_name: ServerName) -> None:
        """Block a server no more. Raises NotFound when it is not blocked, or by the configuration
        alone."""
        name = ServerName(server_name.lower())
        if name not in self._peers.blocked:
            raise NotFound(f"{name} is not blocked, unless the configuration denies it")
        await self._store.unblock(name)
        self._peers.block(self._peers.blocked - {name})
        log.info("server_unblocked", destination=name)
        # What waited because it was blocked need not wait any longer.
        self._health.reset(name)
