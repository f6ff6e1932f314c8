"""Sending messages from device to device.

Client-server API, "Send-to-Device messaging". Each recipient's messages are entries of the log of
the recipient's shard; what a request sends to the users of one shard is written in one transaction,
together with the note that this was done. :mod:`homeserver.sync.to_device_mail` delivers them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from twisted.internet.defer import Deferred

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam, TooLarge
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.domain.requester import Requester
from homeserver.log.entries import ToDeviceEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.clock import Clock
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.to_device import (
    ToDeviceMessage,
    ToDeviceStore,
    ToDeviceTransaction,
)
from homeserver.ports.federation.remote_mail import Messages, NoRemoteMail, RemoteMail
from homeserver.services.messages.transactions import NO_DEVICE

EVERY_DEVICE: Final = "*"

MAX_MESSAGE_BYTES: Final = 65_536
"""The largest message, as it is delivered."""

MAX_NAME_BYTES: Final = 255
"""The longest type and transaction ID."""

REMEMBERED_MS: Final = 86_400_000
"""How long a repeated request is recognised."""

_CLEAN_UP_EVERY_MS: Final = 600_000

_encode = msgspec.json.Encoder().encode


class ToDevice:
    """Sends messages to devices; those of other servers' users get theirs by ``remote``."""

    def __init__(
        self,
        store: ToDeviceStore,
        log: Log,
        clock: Clock,
        remote: RemoteMail = NoRemoteMail(),  # noqa: B008
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._remote = remote
        self._clean_up_at = 0

    async def send(self, requester: Requester, type: str, txn_id: str, messages: Messages) -> None:
        """Send a message of one type to each of some devices; those that do not exist are passed
        over. What a repeated request (same session, type and transaction ID) asks for is done once.

        Raises InvalidParam for a type or transaction ID that is none, TooLarge.
        """
        _check_name(type, "type")
        _check_name(txn_id, "transaction ID")
        device_id = requester.device_id or NO_DEVICE
        await self._deliver(requester.user_id, device_id, type, txn_id, messages)
        await self._remote.send(requester.user_id, type, f"{device_id} {txn_id}", messages)

    async def receive(self, sender: UserId, type: str, message_id: str, messages: Messages) -> None:
        """Take in messages of a user of another server for devices of users of this one; what
        arrives again (same sender and message ID) is delivered once. Raises as `send`."""
        _check_name(type, "type")
        _check_name(message_id, "message ID")
        await self._deliver(sender, NO_DEVICE, type, message_id, messages)

    async def _deliver(
        self, sender: UserId, device_id: str, type: str, txn_id: str, messages: Messages
    ) -> None:
        now_ms = self._clock.now_ms()
        transaction = ToDeviceTransaction(sender, device_id, type, txn_id, now_ms)
        addressed = await self._addressed(sender, type, messages)
        by_shard: dict[int, list[ToDeviceMessage]] = defaultdict(list)
        for message in addressed:
            by_shard[shard_of_user(message.user_id, self._log.shards)].append(message)
        if by_shard:
            await self._append(transaction, by_shard)

    async def _addressed(
        self, sender: UserId, type: str, messages: Messages
    ) -> list[ToDeviceMessage]:
        """A message for each device. One addressed by its name gets nothing by the wildcard."""
        addressed: dict[tuple[UserId, DeviceId], bytes] = {}
        envelope = _envelope(sender, type)
        everywhere = [
            user_id for user_id, by_device in messages.items() if EVERY_DEVICE in by_device
        ]
        if everywhere:
            events = {user: _event(messages[user][EVERY_DEVICE], envelope) for user in everywhere}
            for address in await self._store.devices_of(everywhere):
                addressed[address] = events[address[0]]
        for user_id, by_device in messages.items():
            for device_id, content in by_device.items():
                if device_id != EVERY_DEVICE and "\0" not in device_id:
                    addressed[user_id, DeviceId(device_id)] = _event(content, envelope)
        return [ToDeviceMessage(*address, event) for address, event in addressed.items()]

    def _append(
        self,
        transaction: ToDeviceTransaction,
        by_shard: Mapping[int, Sequence[ToDeviceMessage]],
    ) -> Deferred[None]:
        store = self._store
        forget_before = self._forget_before(transaction.created_ts)

        def work(tx: Transaction) -> None:
            begun = store.begin(tx, transaction, list(by_shard))
            store.add(
                tx, [(positions[shard], message) for shard in begun for message in by_shard[shard]]
            )
            if forget_before is not None:
                store.forget_transactions(tx, forget_before)

        positions = {shard: self._log.next_position(shard) for shard in by_shard}
        entries = [
            ToDeviceEntry(
                shard, positions[shard], tuple((to.user_id, to.device_id) for to in messages)
            )
            for shard, messages in by_shard.items()
        ]
        return self._log.append_all(entries, work)

    def _forget_before(self, now_ms: int) -> int | None:
        """The age of transactions to forget, now and then."""
        if now_ms < self._clean_up_at:
            return None
        self._clean_up_at = now_ms + _CLEAN_UP_EVERY_MS
        return now_ms - REMEMBERED_MS


def _envelope(sender: UserId, type: str) -> bytes:
    """What all messages of a request have in common, to be written after their content."""
    return b',"sender":%b,"type":%b}' % (_encode(sender), _encode(type))


def _event(content: JsonObject, envelope: bytes) -> bytes:
    event = b'{"content":%b%b' % (_encode(content), envelope)
    if len(event) > MAX_MESSAGE_BYTES:
        raise TooLarge(f"A message to a device has at most {MAX_MESSAGE_BYTES} bytes")
    return event


def _check_name(name: str, kind: str) -> None:
    if not name or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidParam(f"This is not a valid {kind}")
