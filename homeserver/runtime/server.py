"""The server process: from a configuration to a running reactor, and back in good order."""

from __future__ import annotations

import gc
import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.runtime.config import Config, ConfigError

log = structlog.get_logger(__name__)

# How long requests in flight may take to end once the server was told to stop, in seconds.
GRACE_SECONDS = 10.0


def install_reactor() -> Any:
    """Install the platform's own reactor: epoll on Linux."""
    # The reactor imports OpenSSL's bindings if it can, and only for its own listenSSL: 12 MB that
    # a server behind a gateway has no use for. Listeners with TLS import them on their own.
    with _without("OpenSSL"):
        from twisted.internet import reactor

    return reactor


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let imports of a module fail for a while, unless it is there already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises ConfigError for what turns out to be wrong, and whatever else keeps it from starting.
    """
    reactor = install_reactor()
    # Only now: these modules import the reactor.
    from homeserver.runtime.listeners import accept, listen
    from homeserver.runtime.logging import begin_twisted_logging, configure_logging
    from homeserver.runtime.wiring import build
    from homeserver.services.returned_memory import return_memory

    configure_logging(config.log)
    begin_twisted_logging()
    try:
        server = build(config, reactor)
    except OSError as error:
        why = f"{error.filename} cannot be used: {error.strerror}"
        raise ConfigError("configuration", None, None, why) from error
    ports = listen(config, reactor, server)
    failures: list[Failure] = []

    async def start() -> None:
        await server.start()
        accept(ports)
        log.info("server_started", name=config.server.name, url=config.local_url)

    async def stop() -> None:
        log.info("server_stopping")
        for port in ports:
            await _maybe(port.stopListening())
        server.in_flight.last_call()
        server.sync.stop()
        await server.in_flight.drained(GRACE_SECONDS)
        await server.stop()
        log.info("server_stopped")

    def give_up(failure: Failure) -> None:
        failures.append(failure)
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(start()).addErrback(give_up))
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(stop()))
    # The source of what attrs generated, which only debuggers look at: more than a megabyte.
    linecache.clearcache()
    # What was made up to here lives as long as the process: collections need not look at it.
    gc.collect()
    gc.freeze()
    return_memory()
    # Little of what requests make is in cycles: look for them seldom, not every 700 objects.
    gc.set_threshold(50_000, 50, 1000)
    reactor.run()
    for failure in failures:
        failure.raiseException()


async def _maybe(result: Any) -> None:
    if isinstance(result, Deferred):
        await result
