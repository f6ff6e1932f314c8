"""A small internet on loopback: name servers, servers with certificates, and a way to reach them
under addresses that are not loopback's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.names import dns
from twisted.names.error import DNSNameError
from twisted.names.server import DNSServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.federation.certificates import ServerCertificate

Place = tuple[str, int]


class RoutedReactor(AsyncioSelectorReactor):
    """Connects to where an address and port are routed; nobody is at all others."""

    def __init__(self, eventloop: Any) -> None:
        super().__init__(eventloop)
        self.routes: dict[Place, Place] = {}
        self.dialled: list[Place] = []

    def connectTCP(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        self.dialled.append((host, port))
        # Port 1 of loopback refuses.
        return super().connectTCP(*self.routes.get((host, port), ("127.0.0.1", 1)), *args, **kwargs)


class Zone:
    """What the name server knows: records by name and type. A list of lists is answered in turn."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[Any]] = {}
        self.broken: set[str] = set()
        self.asked: list[tuple[str, int]] = []

    def add(self, name: str, *records: Any) -> None:
        """Add records of a name."""
        for record in records:
            self.records.setdefault((name, record.TYPE), []).append(record)

    def change(self, name: str, *records: Any) -> None:
        """Put records in the place of those of their type."""
        for record in records:
            self.records[name, record.TYPE] = [record]

    def address(self, name: str, *addresses: str, ttl: int = 60) -> None:
        """Give a name addresses."""
        for address in addresses:
            kind = dns.Record_AAAA if ":" in address else dns.Record_A
            self.add(name, kind(address, ttl))

    def service(self, name: str, target: str, port: int, priority: int = 0, ttl: int = 60) -> None:
        """Give a name an SRV record."""
        self.add(name, dns.Record_SRV(priority, 0, port, target, ttl))

    def query(self, query: Any, timeout: Any = None) -> Deferred[Any]:
        """Answer as a resolver of twisted.names."""
        name = query.name.name.decode().lower()
        self.asked.append((name, query.type))
        if name in self.broken:
            return fail(OSError("the zone is broken"))
        records = self.records.get((name, query.type), [])
        if not records and not any(known == name for known, _ in self.records):
            return fail(DNSNameError())
        answers = [dns.RRHeader(name, query.type, dns.IN, r.ttl, r) for r in records]
        return succeed((answers, [], []))

    def count(self, name: str, kind: int) -> int:
        """How often a name was asked for."""
        return self.asked.count((name, kind))


def listen_dns(reactor: Any, zone: Zone) -> Any:
    """A name server on a port of loopback."""
    factory = DNSServerFactory(clients=[zone])
    factory.noisy = False
    return reactor.listenUDP(
        0, dns.DNSDatagramProtocol(factory, reactor=reactor), interface="127.0.0.1"
    )


@attrs.frozen
class Received:
    """A request as it arrived; names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@attrs.define
class Reply:
    """What a server answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = attrs.Factory(dict)


Handler = Callable[[Received], "Reply | None"]


class Website(Resource):
    """Notes requests, and answers what a handler says; None leaves them without an answer."""

    isLeaf = True

    def __init__(self, handler: Handler) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._handler = handler
        self.received: list[Received] = []

    def render(self, request: Any) -> Any:
        received = Received(
            request.method.decode(),
            request.uri.decode(),
            {k.decode().lower(): v.decode() for k, v in request.getAllHeaders().items()},
            request.content.read(),
            id(request.channel),
        )
        self.received.append(received)
        reply = self._handler(received)
        if reply is None:
            return NOT_DONE_YET
        request.setResponseCode(reply.status)
        for name, value in reply.headers.items():
            request.setHeader(name, value)
        return reply.body


Line = Callable[[Any], None]
"""What is said on a connection, given its transport."""


class Script(Protocol):
    """Says one thing after the other to whoever asks, whatever was asked."""

    def __init__(self, *lines: Line) -> None:
        self._lines = list(lines)

    def dataReceived(self, data: bytes) -> None:
        if self._lines:
            self._lines.pop(0)(self.transport)


class ScriptFactory(Factory):
    """Speaks as the script says on every connection."""

    noisy = False

    def __init__(self, *lines: Line) -> None:
        self._lines = lines

    def buildProtocol(self, addr: Any) -> Any:
        return Script(*self._lines)


def website_factory(reactor: Any, site: Website) -> Any:
    """A web server."""
    factory = Site(site, reactor=reactor)
    factory.noisy = False
    return factory


def secured(
    reactor: Any, factory: Any, certificate: ServerCertificate, sni: list[bytes | None]
) -> Any:
    """A factory behind TLS; ``sni`` collects the names that clients send."""
    return TLSMemoryBIOFactory(certificate.options(sni), False, factory, clock=reactor)
