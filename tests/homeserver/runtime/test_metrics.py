"""What Prometheus is told."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from homeserver.http.answers import Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route
from homeserver.runtime.metrics import Metrics, create_metrics


async def nothing(_request: Request) -> Answer:
    return Answer(b"{}")


ROUTE = Route(
    "GET",
    ("/_matrix/client/v3/rooms/{roomId}/state", "/_matrix/client/r0/rooms/{roomId}/state"),
    nothing,
    Access.USER,
    RateClass.GENERAL,
    "",
)


def fresh() -> Metrics:
    return create_metrics(CollectorRegistry())


def samples(metrics: Metrics, name: str) -> list[str]:
    lines = metrics.render().decode().splitlines()
    return [line for line in lines if line.startswith(name)]


def test_requests_are_counted_by_the_template_of_their_route() -> None:
    metrics = fresh()
    for _ in range(2):
        metrics.observe_request(ROUTE, "GET", 200, 0.003)
    assert samples(metrics, "myelin_requests_total") == [
        "myelin_requests_total{"
        'method="GET",route="/_matrix/client/v3/rooms/{roomId}/state",status="200"} 2.0'
    ]
    assert any(
        line.endswith('le="0.005"} 2.0') or ('le="0.005",' in line and line.endswith(" 2.0"))
        for line in samples(metrics, "myelin_request_seconds_bucket")
    )


def test_requests_without_a_route_and_strange_methods_share_one_label() -> None:
    metrics = fresh()
    for method in ("BREW", "PROPFIND", "X" * 100):
        metrics.observe_request(None, method, 404, 0.001)
    assert samples(metrics, "myelin_requests_total") == [
        'myelin_requests_total{method="other",route="unmatched",status="404"} 3.0'
    ]


def test_a_batch_counts_its_entries_and_its_time() -> None:
    metrics = fresh()
    metrics.observe_commit(entries=3, seconds=0.002)
    assert samples(metrics, "myelin_batch_entries_sum") == ["myelin_batch_entries_sum 3.0"]
    assert samples(metrics, "myelin_commit_seconds_count") == ["myelin_commit_seconds_count 1.0"]


def test_gauges_are_told_apart_by_shard_pool_and_cache() -> None:
    metrics = fresh()
    metrics.log_position.labels("0").set(42)
    metrics.database_pool_used.labels("read").inc()
    metrics.cache_bytes.labels("rooms").set(1024)
    metrics.waiting_syncs.inc()
    assert samples(metrics, "myelin_log_position") == ['myelin_log_position{shard="0"} 42.0']
    assert samples(metrics, "myelin_database_pool_used") == [
        'myelin_database_pool_used{pool="read"} 1.0'
    ]
    assert samples(metrics, "myelin_cache_bytes") == ['myelin_cache_bytes{cache="rooms"} 1024.0']
    assert samples(metrics, "myelin_waiting_syncs") == ["myelin_waiting_syncs 1.0"]


def test_two_servers_in_one_process_have_metrics_of_their_own() -> None:
    one, other = fresh(), fresh()
    one.observe_reactor_lag(0.5)
    assert samples(one, "myelin_reactor_lag_last_seconds") == [
        "myelin_reactor_lag_last_seconds 0.5"
    ]
    assert samples(other, "myelin_reactor_lag_last_seconds") == [
        "myelin_reactor_lag_last_seconds 0.0"
    ]


def test_the_operators_page_names_every_metric() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    families = [each.name for each in fresh().registry.collect()]
    ours = [name for name in families if name.startswith("myelin_")]
    assert ours
    assert [name for name in ours if name not in page] == []
