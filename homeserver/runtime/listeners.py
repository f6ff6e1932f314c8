"""Opening the configured listeners."""

from __future__ import annotations

import socket
from typing import Any, Final

from homeserver.http.dispatch import Dispatcher
from homeserver.http.transport import MatrixFactory
from homeserver.runtime.config import Config, ConfigError
from homeserver.runtime.config.sections import Listener
from homeserver.runtime.resources import is_served
from homeserver.runtime.wiring import Server

STALLED_SECONDS: Final = 60
"""How long a client may take nothing of what is sent to it."""


def listen(config: Config, reactor: Any, server: Server) -> list[Any]:
    """Open every listener, without accepting connections yet: they queue until `accept`.

    Raises ConfigError for an address that cannot be had, or a certificate that cannot be used.
    """
    from twisted.internet.error import CannotListenError

    ports = []
    for number, listener in enumerate(config.server.listeners):
        factory = MatrixFactory(
            _dispatcher(server, listener),
            reactor,
            max_upload_bytes=max(config.media.max_upload_bytes, config.limits.request_body_bytes),
            in_flight=server.in_flight,
            spool_directory=server.media.incoming,
            x_forwarded=listener.x_forwarded,
        )
        key = f"server.listeners[{number}]"
        secured = _secured(factory, listener, reactor, key)
        try:
            port = reactor.listenTCP(
                listener.port, secured, backlog=1024, interface=listener.bind_address
            )
        except CannotListenError as error:
            raise ConfigError(
                "configuration",
                f"{key}.port",
                str(listener.port),
                f"it cannot be listened on: {error.socketError}",
            ) from error
        port.stopReading()
        _end_stalled_connections(port.socket)
        ports.append(port)
    return ports


def _dispatcher(server: Server, listener: Listener) -> Dispatcher:
    """The operations of the server, as far as they belong to the listener."""
    return server.dispatcher.restricted(lambda route: is_served(route, listener.resources))


def accept(ports: list[Any]) -> None:
    """Begin to accept connections."""
    for port in ports:
        port.startReading()


def _end_stalled_connections(listening: socket.socket) -> None:
    """Have the kernel end connections whose clients do not take what is sent to them."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux; connections inherit it
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, STALLED_SECONDS * 1000)


def _secured(factory: MatrixFactory, listener: Listener, reactor: Any, key: str) -> Any:
    """The factory, behind TLS where the listener has a certificate."""
    if listener.tls_certificate is None or listener.tls_private_key is None:
        return factory
    # Only now: OpenSSL takes memory that a server behind a gateway does not need.
    from twisted.protocols.tls import TLSMemoryBIOFactory

    from homeserver.runtime.tls import ServerCertificate

    certificate = ServerCertificate(listener.tls_certificate, listener.tls_private_key, key)
    return TLSMemoryBIOFactory(certificate, isClient=False, wrappedFactory=factory, clock=reactor)
