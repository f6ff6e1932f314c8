"""Making transactions.

Server-server API, "Transactions". The ID of a transaction is derived from what is in it: what is
sent again is the same transaction, and another one never has its ID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec

from federation.outbound.destination import Destination
from federation.outbound.due import Due, DueEvent
from federation.outbound.key_edus import key_edus
from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import encode_base64
from homeserver.ports.clock import Clock
from homeserver.ports.federation.outbound import (
    DeviceChange,
    DeviceListStreamStore,
    OutboundMessage,
    OutboundMessageStore,
    SigningKeyChange,
)
from homeserver.rooms.event_cache import EventCache

MOST_PDUS: Final = 50
MOST_EDUS: Final = 100
MOST_MESSAGES: Final = 50
"""How many EDUs of a transaction are messages to devices."""

MOST_MESSAGE_BYTES: Final = 1_048_576
"""How long these messages are together, unless it is a single one."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@attrs.frozen(slots=True)
class Transaction:
    """A transaction; ``body`` is its JSON. ``last_message`` is the number of the last message to a
    device in it."""

    txn_id: str
    body: bytes
    pdus: int
    edus: int
    last_message: int | None


class TransactionMaker:
    """Makes transactions of what is due."""

    def __init__(
        self,
        origin: ServerName,
        events: EventCache,
        messages: OutboundMessageStore,
        devices: DeviceListStreamStore,
        clock: Clock,
    ) -> None:
        self._origin = origin
        self._events = events
        self._messages = messages
        self._devices = devices
        self._clock = clock

    async def make(self, destination: Destination, most_pdus: int) -> Transaction | None:
        """The next transaction for a destination; None when nothing is due. What is in it is
        marked as being sent."""
        messages = await self._waiting_messages(destination)
        taken = destination.take(most_pdus, MOST_EDUS - len(messages))
        events = await self._read(taken)
        edus = [_message_edu(message) for message in messages]
        edus += await self._key_edus(taken)
        passing, receipts = destination.ephemeral.take(MOST_EDUS - len(edus))
        destination.sending_receipts = receipts
        if not events and not edus and not passing:
            return None
        encoded = [encode_lenient_json(edu) for edu in [*edus, *passing]]
        now_ms = self._clock.now_ms()
        # What passes is never sent again, but the same may well come to pass again.
        moment = now_ms if passing else 0
        return Transaction(
            txn_id=_transaction_id(destination.name, moment, events, encoded),
            body=self._body(now_ms, [event.pdu for event in events], encoded),
            pdus=len(events),
            edus=len(encoded),
            last_message=messages[-1].number if messages else None,
        )

    async def acknowledged(self, destination: Destination, transaction: Transaction) -> None:
        """A transaction has arrived."""
        destination.acknowledged()
        if transaction.last_message is not None:
            await self._messages.acknowledge(destination.name, transaction.last_message)

    def _body(self, now_ms: int, pdus: Sequence[bytes], edus: Sequence[bytes]) -> bytes:
        return b'{"edus":[%b],"origin":%b,"origin_server_ts":%d,"pdus":[%b]}' % (
            b",".join(edus),
            encode_lenient_json(self._origin),
            now_ms,
            b",".join(pdus),
        )

    async def _waiting_messages(self, destination: Destination) -> list[OutboundMessage]:
        if not destination.has_messages:
            return []
        destination.has_messages = False
        waiting = await self._messages.waiting(destination.name, MOST_MESSAGES)
        fitting: list[OutboundMessage] = []
        size = 0
        for message in waiting:
            size += len(message.content)
            if fitting and size > MOST_MESSAGE_BYTES:
                break
            fitting.append(message)
        if len(fitting) == MOST_MESSAGES or len(fitting) < len(waiting):
            destination.has_messages = True
        return fitting

    async def _read(self, taken: Sequence[Due]) -> list[Event]:
        events = [due for due in taken if isinstance(due, DueEvent)]
        read = await self._events.fetch(due.nid for due in events if due.stored is None)
        found = [due.stored or read.get(due.nid) for due in events]
        return [stored.event for stored in found if stored is not None]

    async def _key_edus(self, taken: Sequence[Due]) -> list[JsonObject]:
        changes = [due for due in taken if isinstance(due, DeviceChange)]
        signing = {due.user_id for due in taken if isinstance(due, SigningKeyChange)}
        if not changes and not signing:
            return []
        devices = await self._devices.devices({change.user_id for change in changes})
        keys = await self._devices.cross_signing(signing) if signing else {}
        return key_edus(changes, devices, keys)


def _message_edu(message: OutboundMessage) -> JsonObject:
    return {"content": _decode(message.content), "edu_type": "m.direct_to_device"}


def _transaction_id(
    destination: ServerName, moment: int, events: Sequence[Event], edus: Sequence[bytes]
) -> str:
    digest = hashlib.sha256(b"%b %d" % (destination.encode(), moment))
    for part in [*(event.event_id.encode() for event in events), b"", *edus]:
        digest.update(b"%d:%b" % (len(part), part))
    return encode_base64(digest.digest()).replace("+", "-").replace("/", "_")
