"""Which hosts and ports the SRV records of a server name to connect to, and in which order.

RFC 2782. Server-server API, "Resolving server names": ``_matrix-fed._tcp`` first, and the
deprecated ``_matrix._tcp`` only where that is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from federation.transport.errors import NameNotResolved
from federation.transport.name_lookups import NameLookups, ServiceRecord

SERVICES: Final = ("_matrix-fed._tcp", "_matrix._tcp")

Random = Callable[[], float]
"""A number from 0 up to, and without, 1."""

log = structlog.get_logger(__name__)


async def services_of(
    lookups: NameLookups, host: str, random: Random
) -> list[ServiceRecord] | None:
    """Where the Matrix server of a host is, in the order to try; None without SRV records.

    An empty list says that there decidedly is no server.
    """
    for service in SERVICES:
        name = f"{service}.{host}"
        try:
            records = await lookups.services(name)
        except NameNotResolved as error:
            # Some name servers do not answer questions about names with underscores.
            log.debug("srv_lookup_failed", name=name, reason=str(error))
            continue
        if records:
            return in_order_of_trial([each for each in records if each.target], random)
    return None


def in_order_of_trial(records: Sequence[ServiceRecord], random: Random) -> list[ServiceRecord]:
    """By priority, and among equals at random in proportion to the weights."""
    ordered: list[ServiceRecord] = []
    for priority in sorted({each.priority for each in records}):
        # Those without weight come first, so that they have a small chance (RFC 2782, "Weight").
        equals = sorted(
            (each for each in records if each.priority == priority), key=lambda each: each.weight
        )
        while equals:
            chosen = _choose(equals, random)
            equals.remove(chosen)
            ordered.append(chosen)
    return ordered


def _choose(equals: Sequence[ServiceRecord], random: Random) -> ServiceRecord:
    mark = int(random() * (sum(each.weight for each in equals) + 1))
    running = 0
    for each in equals:
        running += each.weight
        if running >= mark:
            return each
    return equals[-1]
