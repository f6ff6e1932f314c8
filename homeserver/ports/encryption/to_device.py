"""What the floors above ask of storage about messages between devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs
import msgspec

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction

DeviceAddress = tuple[UserId, DeviceId]


class ToDeviceMessage(msgspec.Struct, frozen=True, gc=False):
    """A message for one device; ``event`` is the JSON object that the device is sent."""

    user_id: UserId
    device_id: DeviceId
    event: bytes


@attrs.frozen(slots=True)
class StoredMessage:
    """A message that waits for its device, at a position of the log of the device's user."""

    position: int
    event: bytes


@attrs.frozen(slots=True)
class ToDeviceTransaction:
    """A request to send messages, which may be repeated. ``device_id`` is that of the sender."""

    user_id: UserId
    device_id: str
    type: str
    txn_id: str
    created_ts: int


@attrs.frozen(slots=True)
class Mailbox:
    """What waits for a device: the positions of the first and the last message, 0 when there is
    none, and of each answer that held only a part how far it went, by the position of its token."""

    first: int
    last: int
    cursors: Mapping[int, int]


@attrs.frozen(slots=True)
class Acknowledgement:
    """A device has all messages up to and with ``delivered``, and came back with the token of
    ``token_position``."""

    user_id: UserId
    device_id: DeviceId
    delivered: int
    token_position: int


class ToDeviceStore(Protocol):
    """Messages between devices, until they are acknowledged."""

    async def devices_of(self, user_ids: Sequence[UserId]) -> list[DeviceAddress]:
        """All devices of the users of this server among these."""
        ...

    def begin(
        self, tx: Transaction, transaction: ToDeviceTransaction, shards: Sequence[int]
    ) -> list[int]:
        """Note that the parts of a request for the recipients of some shards are carried out; the
        shards for which they were not before."""
        ...

    def add(self, tx: Transaction, messages: Sequence[tuple[int, ToDeviceMessage]]) -> None:
        """Keep messages, each at a position of its shard, for the devices among their recipients
        that exist."""
        ...

    def forget_transactions(self, tx: Transaction, before_ts: int) -> None:
        """Forget requests that are older than that, some thousands at a time."""
        ...

    async def mailbox(self, user_id: UserId, device_id: DeviceId) -> Mailbox:
        """What waits for a device."""
        ...

    async def messages(
        self, user_id: UserId, device_id: DeviceId, after: int, until: int, limit: int
    ) -> list[StoredMessage]:
        """The first messages for a device in (after, until], in order."""
        ...

    def set_cursor(
        self, tx: Transaction, address: DeviceAddress, token_position: int, delivered: int
    ) -> None:
        """Note that the answer with this token goes no further than ``delivered``."""
        ...

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Delete what devices have received."""
        ...
