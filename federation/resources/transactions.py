"""Answers in the form of a transaction: events of this server's choosing.

Server-server API, "Transactions"; the answers of /event and /backfill.
"""

from __future__ import annotations

from collections.abc import Iterable

from homeserver.domain.identifiers import ServerName
from homeserver.http.answers import Answer, encode_json
from homeserver.ports.clock import Clock


class TransactionAnswers:
    """Wraps events as this server sends them."""

    def __init__(self, server_name: ServerName, clock: Clock) -> None:
        self._origin = encode_json(server_name)
        self._clock = clock

    def of(self, pdus: Iterable[bytes]) -> Answer:
        """Some events, each in canonical JSON."""
        return Answer(
            b'{"origin":%s,"origin_server_ts":%d,"pdus":[%s]}'
            % (self._origin, self._clock.now_ms(), b",".join(pdus))
        )
