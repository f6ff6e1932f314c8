"""What operators see and do, put together."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from federation.admin.destinations import DestinationReports
from federation.admin.federation_admin_api import FederationAdminApi
from homeserver.api.admin.rooms import RoomsAdminApi
from homeserver.http.routes import Api
from homeserver.runtime.wiring.federation_area import Federation
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.admin.room_check import RoomCheck
from homeserver.services.admin.room_inspection import RoomInspection
from homeserver.services.admin.room_rebuild import RoomRebuild
from storage.rooms.room_figures import SqlRoomFigures

WORST_SERVERS = 50
"""Of how many servers there are metrics: labels must not grow with the federation."""


def build_admin(on: Foundation, rooms: RoomsCore, federation: Federation) -> list[Api]:
    """The operations for operators."""
    transport, states = federation.transport, federation.inbound.states
    reports = DestinationReports(
        federation.outbound.destinations, transport.health, transport.peers, on.clock
    )
    TroubledServers(reports, on.metrics.registry)
    figures = SqlRoomFigures(on.log)
    check = RoomCheck(rooms.directory, states, figures)
    return [
        FederationAdminApi(reports, federation.blocked),
        RoomsAdminApi(
            RoomInspection(rooms.directory, states, figures),
            check,
            RoomRebuild(rooms.directory, check, on.server_name),
            states.store,
        ),
    ]


class TroubledServers(Collector):
    """Metrics of the servers that do worst, each under its name."""

    def __init__(self, reports: DestinationReports, registry: CollectorRegistry) -> None:
        self._reports = reports
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What the registry asks of each that tells it something."""
        failures = GaugeMetricFamily(
            "myelin_federation_server_failures",
            "Failures in a row of the servers that do worst",
            labels=("server",),
        )
        behind = GaugeMetricFamily(
            "myelin_federation_server_behind_positions",
            "How far the log is ahead of the servers that do worst",
            labels=("server",),
        )
        for report in self._reports.worst(WORST_SERVERS):
            failures.add_metric([report.server_name], report.failures)
            behind.add_metric([report.server_name], report.behind)
        return [failures, behind]
