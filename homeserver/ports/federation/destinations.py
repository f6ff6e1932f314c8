"""What the federation asks of storage about the servers that it sends to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import attrs

from homeserver.domain.identifiers import ServerName


@attrs.frozen
class FailingDestination:
    """A server that could not be reached lately. Times are in milliseconds.

    ``failures`` counts those in a row; ``retry_at_ms`` is when it may be tried again.
    """

    destination: ServerName
    failures: int
    failing_since_ms: int
    last_failure_ms: int
    retry_at_ms: int


class DestinationStore(Protocol):
    """Which servers could not be reached; one that can be has no record."""

    async def failing(self) -> list[FailingDestination]:
        """Every record."""
        ...

    async def save(
        self, failing: Collection[FailingDestination], recovered: Collection[ServerName]
    ) -> None:
        """Write the records of some servers, and delete those of others."""
        ...
