"""Other servers as operators see them: which of them answer, and how far they are."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence

import attrs

from federation.outbound.destination import Destination
from federation.outbound.destinations import Destinations
from federation.transport.destination_health import DestinationHealth
from homeserver.domain.errors import NotFound
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.federation.destinations import FailingDestination


class Condition(enum.Enum):
    """How a server stands."""

    LIVE = "live"
    BEHIND = "behind"
    BACKING_OFF = "backing_off"
    BLOCKED = "blocked"


@attrs.frozen
class DestinationReport:
    """What is known of a server. Times are in milliseconds.

    ``behind`` is how many positions of the log it has still to be sent. ``retry_at_ms`` is when it
    may be tried again. ``last_success_ms`` is None when it has not answered since the start.
    """

    server_name: ServerName
    condition: Condition
    behind: int
    failures: int
    failing_since_ms: int | None
    last_failure_ms: int | None
    retry_at_ms: int | None
    last_success_ms: int | None


class DestinationReports:
    """Tells of the servers that something is due to, that do not answer, or that are blocked."""

    def __init__(
        self,
        destinations: Destinations,
        health: DestinationHealth,
        peers: FederationPeers,
        clock: Clock,
    ) -> None:
        self._destinations = destinations
        self._health = health
        self._peers = peers
        self._clock = clock

    def all(self) -> list[DestinationReport]:
        """All of them, by name; those with nothing to tell of are left out."""
        return self._reports({*self._health.succeeded(), *self._peers.blocked})

    def one(self, server_name: ServerName) -> DestinationReport:
        """What is known of a server. Raises NotFound when that is nothing."""
        for report in self.all():
            if report.server_name == server_name:
                return report
        raise NotFound(f"Nothing is known of {server_name}")

    def reset(self, server_name: ServerName) -> DestinationReport:
        """Try a server at once that is left alone. Raises NotFound for one nothing is known of."""
        self.one(server_name)
        self._health.reset(server_name)
        return self.one(server_name)

    def worst(self, count: int) -> Sequence[DestinationReport]:
        """The servers that do worst: of those that fail or are behind at most so many."""
        troubled = [report for report in self._reports(()) if report.failures or report.behind]
        troubled.sort(key=lambda report: (-report.failures, -report.behind, report.server_name))
        return troubled[:count]

    def _reports(self, further: Collection[ServerName]) -> list[DestinationReport]:
        """The servers that fail, those that something is due to, and further ones."""
        failing = {record.destination: record for record in self._health.failing()}
        names = {*failing, *(each.name for each in self._destinations), *further}
        return [self._report(name, failing.get(name)) for name in sorted(names)]

    def _report(self, name: ServerName, failing: FailingDestination | None) -> DestinationReport:
        destination = self._destinations.get(name)
        behind = self._behind(destination) if destination is not None else 0
        return DestinationReport(
            server_name=name,
            condition=self._condition(name, destination, failing),
            behind=behind,
            failures=failing.failures if failing is not None else 0,
            failing_since_ms=failing.failing_since_ms if failing is not None else None,
            last_failure_ms=failing.last_failure_ms if failing is not None else None,
            retry_at_ms=failing.retry_at_ms if failing is not None else None,
            last_success_ms=self._health.last_success_ms(name),
        )

    def _behind(self, destination: Destination) -> int:
        passed = self._destinations.passed
        return sum(passed) - sum(destination.reached(passed))

    def _condition(
        self,
        name: ServerName,
        destination: Destination | None,
        failing: FailingDestination | None,
    ) -> Condition:
        if not self._peers.allows(name):
            return Condition.BLOCKED
        if failing is not None and failing.retry_at_ms > self._clock.now_ms():
            return Condition.BACKING_OFF
        if destination is not None and destination.is_away:
            return Condition.BACKING_OFF
        if destination is not None and destination.is_behind:
            return Condition.BEHIND
        return Condition.LIVE
