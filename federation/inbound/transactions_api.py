"""The operation that other servers send transactions with.

Server-server API, "Transactions".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from federation.inbound.transactions import Transaction, Transactions
from homeserver.domain.errors import BadJson, NotJson
from homeserver.http.answers import Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route

MOST_PDUS: Final = 50
MOST_EDUS: Final = 100
MAX_BODY_BYTES: Final = (2 * MOST_PDUS + MOST_EDUS) * 65_536
"""Events have at most 64 KiB as canonical JSON; the JSON of others may be twice as long, and has
what servers add to events without signing it."""

_elements: Final = msgspec.json.Decoder(list[msgspec.Raw])


class TransactionsApi:
    """Receives transactions."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "PUT",
                ("/_matrix/federation/v1/send/{txnId}",),
                self.put,
                section="Transactions",
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
                max_body_bytes=MAX_BODY_BYTES,
            )
        ]

    async def put(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v1/send/{txnId}``"""
        transaction = Transaction(
            request.origin,
            request.parameters["txnId"],
            pdus=_parts(request, "pdus", MOST_PDUS),
            edus=_parts(request, "edus", MOST_EDUS),
        )
        return Answer(await self._transactions.receive(transaction))


def _parts(request: Request, name: str, most: int) -> list[Any]:
    """The elements of an array in the body, None for each that cannot be read: it must not take the
    others with it, which may come from other servers."""
    array = request.body_members().get(name)
    try:
        parts = _elements.decode(array) if array is not None else []
    except msgspec.ValidationError:
        raise BadJson(f"{name} must be an array") from None
    if len(parts) > most:
        raise BadJson(f"A transaction has at most {most} {name}")
    return [_read(request, part) for part in parts]


def _read(request: Request, part: msgspec.Raw) -> Any:
    try:
        return request.part_of_body(part)
    except (BadJson, NotJson):
        return None
