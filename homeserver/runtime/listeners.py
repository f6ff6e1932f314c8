"""Opening the configured listeners."""

from __future__ import annotations

from typing import Any

from homeserver.http.transport import MatrixFactory
from homeserver.runtime.config import Config, ConfigError
from homeserver.runtime.config.sections import Listener
from homeserver.runtime.wiring import Server


def listen(config: Config, reactor: Any, server: Server) -> list[Any]:
    """Open every listener; ConfigError for an address that cannot be had."""
    from twisted.internet.error import CannotListenError

    ports = []
    for number, listener in enumerate(config.server.listeners):
        factory = MatrixFactory(
            server.dispatcher,
            reactor,
            max_upload_bytes=max(config.media.max_upload_bytes, config.limits.request_body_bytes),
            in_flight=server.in_flight,
            x_forwarded=listener.x_forwarded,
        )
        try:
            ports.append(
                reactor.listenTCP(
                    listener.port,
                    _secured(factory, listener, reactor),
                    backlog=1024,
                    interface=listener.bind_address,
                )
            )
        except CannotListenError as error:
            raise ConfigError(
                "configuration",
                f"server.listeners[{number}].port",
                str(listener.port),
                f"it cannot be listened on: {error.socketError}",
            ) from error
    return ports


def _secured(factory: MatrixFactory, listener: Listener, reactor: Any) -> Any:
    """The factory, behind TLS where the listener has a certificate."""
    if listener.tls_certificate is None or listener.tls_private_key is None:
        return factory
    from twisted.internet.ssl import DefaultOpenSSLContextFactory
    from twisted.protocols.tls import TLSMemoryBIOFactory

    context = DefaultOpenSSLContextFactory(
        str(listener.tls_private_key), str(listener.tls_certificate)
    )
    return TLSMemoryBIOFactory(context, isClient=False, wrappedFactory=factory, clock=reactor)
