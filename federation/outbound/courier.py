"""Bringing a transaction to its destination, and what becomes of it."""

from __future__ import annotations

import enum
from typing import Final, Protocol

import attrs
import structlog

from federation.outbound.transactions import Transaction
from federation.transport.destination_health import DestinationHealth
from federation.transport.errors import DestinationDenied, DestinationUnavailable, RemoteError
from federation.transport.request_paths import federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock

FIRST_REST_SECONDS: Final = 10.0
LONGEST_REST_SECONDS: Final = 3_600.0
"""How long a server that refuses transactions is left alone, or one that may not be reached."""

_LEAST_REST_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class TransactionClient(Protocol):
    """Sends requests; see :class:`federation.transport.federation_client.FederationClient`."""

    async def put_json(self, destination: ServerName, path: str, content: bytes, /) -> JsonObject:
        """The JSON object that a server answers to PUT."""
        ...


class Outcome(enum.Enum):
    """What becomes of a transaction."""

    SENT = "sent"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    DENIED = "denied"


@attrs.frozen(slots=True)
class Delivery:
    """An outcome, and for how many seconds the destination is to be left alone then."""

    outcome: Outcome
    rest_seconds: float = 0.0


class Courier:
    """Sends transactions."""

    def __init__(self, client: TransactionClient, health: DestinationHealth, clock: Clock) -> None:
        self._client = client
        self._health = health
        self._clock = clock

    def rest_seconds(self, destination: ServerName) -> float:
        """For how long a destination is to be left alone, 0 for one that may be tried."""
        retry_at_ms = self._health.retry_at_ms(destination)
        return 0.0 if retry_at_ms is None else max(0.0, self._seconds_until(retry_at_ms))

    async def deliver(
        self, destination: ServerName, transaction: Transaction, refusals: int
    ) -> Delivery:
        """Send a transaction. ``refusals`` is how many in a row were refused before."""
        path = federation_path("send", transaction.txn_id)
        try:
            answer = await self._client.put_json(destination, path, transaction.body)
        except DestinationDenied:
            # The configuration or the addresses of the server may change.
            return Delivery(Outcome.DENIED, LONGEST_REST_SECONDS)
        except DestinationUnavailable as error:
            until = error.retry_at_ms or self._health.retry_at_ms(destination)
            rest = 0.0 if until is None else self._seconds_until(until)
            return Delivery(Outcome.UNAVAILABLE, max(_LEAST_REST_SECONDS, rest))
        except RemoteError as error:
            log.info(
                "transaction_refused", destination=destination, why=str(error), refusals=refusals
            )
            rest = min(FIRST_REST_SECONDS * 2 ** min(refusals, 20), LONGEST_REST_SECONDS)
            if error.retry_after_ms is not None:
                rest = min(max(rest, error.retry_after_ms / 1000), LONGEST_REST_SECONDS)
            return Delivery(Outcome.REFUSED, rest)
        _note_failed_pdus(destination, answer)
        return Delivery(Outcome.SENT)

    def _seconds_until(self, ms: int) -> float:
        return (ms - self._clock.now_ms()) / 1000


def _note_failed_pdus(destination: ServerName, answer: JsonObject) -> None:
    pdus = answer.get("pdus")
    if not isinstance(pdus, dict):
        return
    failed = [name for name, result in pdus.items() if isinstance(result, dict) and result]
    if failed:
        log.info("pdus_not_taken", destination=destination, events=failed[:10], count=len(failed))
