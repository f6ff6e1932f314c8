"""What everything stands on: time, threads, the database and the log."""

from __future__ import annotations

from typing import Any

import attrs
from prometheus_client import CollectorRegistry

from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey
from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.routes import RateClass
from homeserver.log.log import Log
from homeserver.ports.clock import Clock
from homeserver.runtime.clock import ReactorClock
from homeserver.runtime.config import Config
from homeserver.runtime.database import AnyDatabase, open_database
from homeserver.runtime.metrics import Metrics, create_metrics
from homeserver.runtime.signing_keys import ensure_signing_keys
from storage.engines.threads import Workers
from storage.rooms.room_log import RoomLogStore


@attrs.frozen
class Foundation:
    """The parts that every area is built on."""

    config: Config
    reactor: Any
    server_name: ServerName
    clock: Clock
    signing_keys: tuple[SigningKey, ...]
    database: AnyDatabase
    log: Log
    metrics: Metrics
    limiter: RateLimiter

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs."""
        return self.signing_keys[0]

    def workers(self, size: int, name: str) -> Workers:
        """Threads of their own for one kind of blocking work."""
        return Workers(self.reactor, size, name)


def lay_foundation(config: Config, reactor: Any) -> Foundation:
    """Open the database and begin the log. Raises ConfigError."""
    clock = ReactorClock(reactor)
    opened = open_database(config, reactor)
    metrics = create_metrics(CollectorRegistry())
    log = Log(opened.database, RoomLogStore(), opened.high_water, metrics.observe_commit)
    for shard in range(log.shards):
        metrics.log_position.labels(str(shard)).set_function(
            lambda shard=shard: float(log.published[shard])  # type: ignore[misc]
        )
    for name, pool in (("read", opened.database.readers), ("write", opened.database.writer)):
        metrics.database_pool_size.labels(name).set(pool.size)
        metrics.database_pool_used.labels(name).set_function(
            lambda pool=pool: float(min(pool.busy, pool.size))  # type: ignore[misc]
        )
    return Foundation(
        config=config,
        reactor=reactor,
        server_name=ServerName(config.server.name),
        clock=clock,
        signing_keys=ensure_signing_keys(config.signing_key_path),
        database=opened.database,
        log=log,
        metrics=metrics,
        limiter=RateLimiter(_rates(config), clock.monotonic),
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
