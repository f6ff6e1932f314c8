"""Everything that outgoing requests need, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from federation.transport.discovery import Discovery
from federation.transport.endpoints import Endpoint
from federation.transport.messages import Answer, Limits, OutboundRequest
from federation.transport.name_lookups import NameLookups
from federation.transport.outbound_http import OutboundHttp
from federation.transport.trust import Trust
from federation.transport.well_known import WellKnown
from homeserver.domain.address_ranges import DEFAULT_DENIED_RANGES, AddressRanges
from homeserver.runtime.clock import ReactorClock
from tests.deferreds import on_event_loop
from tests.federation.certificates import CertificateAuthority, ServerCertificate
from tests.federation.transport.internet import (
    Handler,
    Line,
    Reply,
    RoutedReactor,
    ScriptFactory,
    Website,
    Zone,
    listen_dns,
    secured,
    website_factory,
)

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1::1"


class Internet:
    """Servers, names, and the client that is tested."""

    def __init__(self, reactor: RoutedReactor, directory: Path, ca: CertificateAuthority) -> None:
        self.reactor = reactor
        self.clock = ReactorClock(reactor)
        self.ca = ca
        self.zone = Zone()
        self.sni: list[bytes | None] = []
        self.outcomes: list[str] = []
        self._ports = [listen_dns(reactor, self.zone)]
        self._https: list[OutboundHttp] = []
        self._ca_file = ca.write(directory)
        self._hosts_file = directory / "hosts"
        self._hosts_file.write_text("# none\n192.168.7.7 printer.lan\n")
        self.lookups = self.new_lookups()
        self.http = self.new_http()

    def new_lookups(self, clock: Any = None) -> NameLookups:
        name_server = ("127.0.0.1", self._ports[0].getHost().port)
        return NameLookups(
            self.reactor,
            clock or self.clock,
            servers=[name_server],
            hosts_file=self._hosts_file,
        )

    def new_http(self, trust: Trust | None = None, allowed: tuple[str, ...] = ()) -> OutboundHttp:
        http = OutboundHttp(
            self.reactor,
            self.clock,
            self.lookups,
            AddressRanges(DEFAULT_DENIED_RANGES, allowed),
            trust or Trust(self._ca_file),
            lambda outcome, seconds: self.outcomes.append(outcome),
        )
        self._https.append(http)
        return http

    def discovery(self) -> Discovery:
        well_known = WellKnown(self.http, self.clock, lambda: 0.0)
        return Discovery(self.lookups, well_known, lambda: 0.0)

    def serve(
        self,
        handler: Handler,
        *,
        at: str = PUBLIC,
        port: int = 8448,
        certificate: ServerCertificate | None = None,
    ) -> Website:
        """A web server at an address; without a certificate it speaks plain HTTP."""
        site = Website(handler)
        self._listen(website_factory(self.reactor, site), at, port, certificate)
        return site

    def script(
        self,
        *lines: Line,
        at: str = PUBLIC,
        port: int = 8448,
        certificate: ServerCertificate | None = None,
    ) -> None:
        """A server that says the same to everybody."""
        self._listen(ScriptFactory(*lines), at, port, certificate)

    def delegate(self, host: str, to: str, *, at: str, **headers: str) -> Website:
        """Let a host delegate to a server name."""
        self.zone.address(host, at)
        body = json.dumps({"m.server": to}).encode()
        return self.serve(
            lambda _: Reply(body=body, headers=headers),
            at=at,
            port=443,
            certificate=self.ca.issue(host),
        )

    async def get(
        self, endpoint: Endpoint, target: str = "/", *, seconds: float = 20, max_bytes: int = 10_000
    ) -> Answer:
        """The answer to a plain GET."""
        request = OutboundRequest("GET", target, repeatable=True)
        return await self.http.request([endpoint], request, Limits(seconds, max_bytes))

    def _listen(
        self, factory: Any, at: str, port: int, certificate: ServerCertificate | None
    ) -> None:
        if certificate is not None:
            factory = secured(self.reactor, factory, certificate, self.sni)
        interface = "::1" if ":" in at else "127.0.0.1"
        reactor: Any = self.reactor
        listening = reactor.listenTCP(0, factory, interface=interface)
        self._ports.append(listening)
        self.reactor.routes[at, port] = (interface, listening.getHost().port)

    async def close(self) -> None:
        for http in self._https:
            await http.close()
        for port in self._ports:
            await port.stopListening()
        reactor: Any = self.reactor
        for selectable in reactor.removeAll():
            selectable.connectionLost(None)
        for call in reactor.getDelayedCalls():
            call.cancel()


@pytest.fixture(scope="session")
def ca() -> CertificateAuthority:
    """The authority that the client believes."""
    return CertificateAuthority()


@pytest_asyncio.fixture
async def internet(tmp_path: Path, ca: CertificateAuthority) -> AsyncIterator[Internet]:
    """A small internet."""
    made = Internet(RoutedReactor(asyncio.get_running_loop()), tmp_path, ca)
    yield made
    await on_event_loop(made.close())
