"""What Prometheus is told.

Labels have few values: a route is its template, never a path; a method or status outside the usual
is counted as ``other``.
"""

from __future__ import annotations

import attrs
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from homeserver.http.routes import Route

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
"""The media type of what :meth:`Metrics.render` returns."""

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"})
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_BATCH_ENTRIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@attrs.frozen
class Metrics:
    """The metrics of one server; :func:`create_metrics` makes them in a registry."""

    registry: CollectorRegistry
    requests: Counter
    """Requests answered, by route, method and status."""
    request_seconds: Histogram
    """Time from a request's arrival to its answer, by route."""
    outbound_requests: Counter
    outbound_seconds: Histogram
    log_position: Gauge
    """The last committed position, by shard."""
    batch_entries: Histogram
    """Entries in a batch."""
    commit_seconds: Histogram
    """Time of the transaction of a batch."""
    waiting_syncs: Gauge
    """Requests that wait for something new."""
    database_pool_used: Gauge
    """Connections at work, by pool (``read`` or ``write``)."""
    database_pool_size: Gauge
    """Connections that a pool may open, by pool."""
    reactor_lag: Gauge
    """The last measured lag of the reactor."""
    reactor_lag_seconds: Histogram
    """Every measured lag of the reactor."""
    cache_bytes: Gauge
    """Memory in use, by cache."""
    _children: dict[tuple[str, str, str], tuple[Counter, Histogram]] = attrs.Factory(dict)

    def observe_request(
        self, route: Route | None, method: str, status: int, seconds: float
    ) -> None:
        """Count an answered request; ``route`` is None when there was none for it."""
        template = "unmatched" if route is None else route.paths[0]
        method = method if method in _METHODS else "other"
        code = str(status) if 100 <= status < 600 else "other"
        key = (template, method, code)
        # Looking children up by label costs more than counting.
        children = self._children.get(key)
        if children is None:
            children = self.requests.labels(*key), self.request_seconds.labels(template)
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def observe_outbound(self, outcome: str, seconds: float) -> None:
        """Count a request that this server made, by what became of it."""
        self.outbound_requests.labels(outcome).inc()
        self.outbound_seconds.observe(seconds)

    def observe_commit(self, entries: int, seconds: float) -> None:
        """Count a committed batch."""
        self.batch_entries.observe(entries)
        self.commit_seconds.observe(seconds)

    def observe_reactor_lag(self, seconds: float) -> None:
        """Take a measurement of the reactor's lag."""
        self.reactor_lag.set(seconds)
        self.reactor_lag_seconds.observe(seconds)

    def render(self) -> bytes:
        """Everything in the registry, in Prometheus' text format."""
        return generate_latest(self.registry)


def create_metrics(registry: CollectorRegistry) -> Metrics:
    """The server's metrics, and those of its process, in a registry that has none of them yet."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return Metrics(
        registry=registry,
        requests=Counter(
            "myelin_requests",
            "Requests answered",
            ("route", "method", "status"),
            registry=registry,
        ),
        request_seconds=Histogram(
            "myelin_request_seconds",
            "Time from a request's arrival to its answer",
            ("route",),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        ),
        outbound_requests=Counter(
            "myelin_outbound_requests",
            "Requests to other servers, by outcome",
            ("outcome",),
            registry=registry,
        ),
        outbound_seconds=Histogram(
            "myelin_outbound_seconds",
            "Time that other servers took",
            buckets=_REQUEST_SECONDS,
            registry=registry,
        ),
        log_position=Gauge(
            "myelin_log_position",
            "Last committed position of a shard",
            ("shard",),
            registry=registry,
        ),
        batch_entries=Histogram(
            "myelin_batch_entries", "Entries in a batch", buckets=_BATCH_ENTRIES, registry=registry
        ),
        commit_seconds=Histogram(
            "myelin_commit_seconds",
            "Time of the transaction of a batch",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        ),
        waiting_syncs=Gauge(
            "myelin_waiting_syncs", "Requests that wait for something new", registry=registry
        ),
        database_pool_used=Gauge(
            "myelin_database_pool_used", "Connections at work", ("pool",), registry=registry
        ),
        database_pool_size=Gauge(
            "myelin_database_pool_size",
            "Connections that a pool may open",
            ("pool",),
            registry=registry,
        ),
        reactor_lag=Gauge(
            "myelin_reactor_lag_last_seconds", "Last measured lag of the reactor", registry=registry
        ),
        reactor_lag_seconds=Histogram(
            "myelin_reactor_lag_seconds",
            "Measured lags of the reactor",
            buckets=_LAG_SECONDS,
            registry=registry,
        ),
        cache_bytes=Gauge(
            "myelin_cache_bytes", "Memory in use by a cache", ("cache",), registry=registry
        ),
    )
