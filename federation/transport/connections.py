"""Connections to vetted addresses, kept open for the next request to the same place.

This module imports OpenSSL, which takes 12 MB: it is imported when the first request goes out.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import HTTPConnectionPool
from zope.interface import implementer

from federation.transport.endpoints import Endpoint
from federation.transport.errors import (
    AddressDenied,
    ConnectionFailed,
    NameNotResolved,
    TlsFailed,
)
from federation.transport.name_lookups import NameLookups
from federation.transport.tls_contexts import TlsContexts
from federation.transport.trust import Trust
from homeserver.domain.address_ranges import AddressRanges, IpAddress
from homeserver.domain.errors import InvalidParam
from homeserver.domain.server_name_parts import ip_literal

CONNECT_SECONDS: Final = 10
IDLE_SECONDS: Final = 60
IDLE_PER_ENDPOINT: Final = 2
MAX_ENDPOINTS: Final = 1_000
"""How many places idle connections are kept to."""

MAX_HEAD_BYTES: Final = 65_536
"""The longest status line and headers of an answer."""


class Dialler:
    """Connects to hosts: resolves the name, vets the addresses, connects to just those."""

    def __init__(
        self, reactor: Any, lookups: NameLookups, ranges: AddressRanges, trust: Trust
    ) -> None:
        self._reactor = reactor
        self._lookups = lookups
        self._ranges = ranges
        try:
            self._tls = TlsContexts(trust)
        except (OSError, ValueError) as error:
            raise TlsFailed(f"the certificate authorities cannot be read: {error}") from error

    async def dial(self, endpoint: Endpoint, factory: IProtocolFactory) -> Any:
        """A connected protocol of the factory. Raises OutboundError."""
        failure = ConnectionFailed(f"{endpoint.host} has no address")
        for address in await self._vetted_addresses(endpoint.host):
            try:
                return await self._connect(endpoint, address, factory)
            except ConnectError as error:
                failure = ConnectionFailed(f"{address} port {endpoint.port}: {error}")
        raise failure

    async def _vetted_addresses(self, host: str) -> list[IpAddress]:
        try:
            literal = ip_literal(host)
        except InvalidParam as error:
            raise NameNotResolved(f"{host} is neither a name nor an address") from error
        addresses = (literal,) if literal is not None else await self._lookups.addresses(host)
        vetted = [each for each in addresses if self._ranges.allows(each)]
        if not vetted:
            raise AddressDenied(f"{host} is at {addresses[0]}, which is in a denied range")
        return vetted

    async def _connect(
        self, endpoint: Endpoint, address: IpAddress, factory: IProtocolFactory
    ) -> Any:
        kind = TCP4ClientEndpoint if address.version == 4 else TCP6ClientEndpoint
        place = kind(self._reactor, str(address), endpoint.port, timeout=CONNECT_SECONDS)
        guarded = _GuardedFactory(factory)  # type: ignore[no-untyped-call]
        if endpoint.tls_name is None:
            plain: Any = await place.connect(guarded)
            return plain.wrappedProtocol
        secured = TLSMemoryBIOFactory(
            self._tls.creator(endpoint.tls_name), True, guarded, clock=self._reactor
        )
        connected: Any = await place.connect(secured)
        return connected.wrappedProtocol.wrappedProtocol


@implementer(IStreamClientEndpoint)
class Line:
    """The connection of one request: an idle one, or a new one when there is none."""

    def __init__(self, dialler: Dialler, endpoint: Endpoint) -> None:
        self._dialler = dialler
        self._endpoint = endpoint
        self._connection: Any = None
        self.is_new = False
        self.has_head = False

    @property
    def key(self) -> Hashable:
        """What connections that can stand in for each other have in common."""
        return (self._endpoint.host, self._endpoint.port, self._endpoint.tls_name)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Make a new connection; the pool asks for it."""
        self.is_new = True
        return Deferred.fromCoroutine(self._dialler.dial(self._endpoint, protocolFactory))

    def opened(self, connection: Any) -> Any:
        """The pool has found or made the connection."""
        self._connection = connection
        connection.transport.expect_head()
        return connection

    def head_arrived(self) -> None:
        """What is received from now on is the body."""
        self.has_head = True
        self._connection.transport.awaits_head = False

    def abort(self) -> None:
        """Drop the connection, whatever is on its way."""
        if self._connection is not None:
            self._connection.abort()


class LinePool(HTTPConnectionPool):
    """Keeps connections by what they lead to, which the URL alone does not say."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor, persistent=True)  # type: ignore[no-untyped-call]
        self.maxPersistentPerHost = IDLE_PER_ENDPOINT
        self.cachedConnectionTimeout = IDLE_SECONDS
        # A request whose idle connection turned out to be closed is repeated by who knows whether
        # it may be.
        self.retryAutomatically = False
        self._keys: set[Hashable] = set()

    def getConnection(self, key: Hashable, endpoint: Any) -> Deferred[Any]:
        """A connection for the line that ``endpoint`` is."""
        if endpoint.key not in self._keys and len(self._keys) >= MAX_ENDPOINTS:
            self._keys.clear()
            self.closeCachedConnections()  # type: ignore[no-untyped-call]
        self._keys.add(endpoint.key)
        connection: Deferred[Any] = super().getConnection(endpoint.key, endpoint)
        return connection.addCallback(endpoint.opened)


class GuardedConnection(ProtocolWrapper):
    """Drops the connection when an answer does not come to the end of its headers."""

    awaits_head = False
    _received = 0

    def expect_head(self) -> None:
        """A request goes out."""
        self.awaits_head = True
        self._received = 0

    def dataReceived(self, data: bytes) -> None:
        """Pass on what arrives; whoever notices the end of the headers clears `awaits_head`."""
        super().dataReceived(data)  # type: ignore[no-untyped-call]
        self._received += len(data)
        if self.awaits_head and self._received > MAX_HEAD_BYTES:
            self.abortConnection()


class _GuardedFactory(WrappingFactory):
    protocol = GuardedConnection
    noisy = False
