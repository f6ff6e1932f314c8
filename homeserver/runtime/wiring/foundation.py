"""What everything stands on: time, threads, the database and the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import attrs
from prometheus_client import CollectorRegistry

from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey
from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.routes import RateClass
from homeserver.log.log import Log
from homeserver.ports.clock import Clock
from homeserver.ports.threads import RunInThread
from homeserver.runtime.clock import ReactorClock
from homeserver.runtime.config import Config
from homeserver.runtime.database import AnyDatabase, open_database
from homeserver.runtime.metrics import Metrics, create_metrics
from homeserver.runtime.signing_keys import ensure_signing_keys
from storage.room_log import RoomLogStore
from storage.threads import run_on

P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen
class Foundation:
    """The parts that every area is built on."""

    config: Config
    reactor: Any
    server_name: ServerName
    clock: Clock
    signing_key: SigningKey
    database: AnyDatabase
    log: Log
    metrics: Metrics
    limiter: RateLimiter
    threads: ThreadPoolExecutor

    def run_in_thread(self, workers: ThreadPoolExecutor) -> RunInThread:
        """What runs work on the threads of a pool."""
        reactor = self.reactor

        def run(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
            return run_on(reactor, workers, lambda: work(*args, **kwargs))

        return run


def lay_foundation(config: Config, reactor: Any) -> Foundation:
    """Open the database and begin the log. Raises ConfigError."""
    clock = ReactorClock(reactor)
    keys = ensure_signing_keys(config.signing_key_path)
    opened = open_database(config, reactor)
    metrics = create_metrics(CollectorRegistry())
    log = Log(opened.database, RoomLogStore(), opened.high_water, metrics.observe_commit)
    for shard in range(log.shards):
        metrics.log_position.labels(str(shard)).set_function(
            lambda shard=shard: float(log.published[shard])  # type: ignore[misc]
        )
    return Foundation(
        config=config,
        reactor=reactor,
        server_name=ServerName(config.server.name),
        clock=clock,
        signing_key=keys[0],
        database=opened.database,
        log=log,
        metrics=metrics,
        limiter=RateLimiter(_rates(config), clock.monotonic),
        threads=ThreadPoolExecutor(2, "work"),
    )


def _rates(config: Config) -> dict[RateClass, Rate]:
    if not config.limits.enabled:
        return {}
    rates = config.limits.rates
    found = {}
    for rate_class in RateClass:
        configured = getattr(rates, rate_class.value, None)
        if configured is not None:
            found[rate_class] = Rate(configured.per_second, configured.burst)
    return found
