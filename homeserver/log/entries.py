"""What the log holds: everything that a client can see arrive."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from homeserver.domain.identifiers import DeviceId, RoomId, UserId
from homeserver.ports.rooms.events import EventAppend, MembershipRow
from homeserver.ports.rooms.receipts import ReceiptRow


@attrs.frozen(slots=True)
class Entry:
    """Something that happened at a position of a shard."""

    shard: int
    position: int


@attrs.frozen(slots=True)
class EventEntry(Entry):
    """An event was appended to a room."""

    append: EventAppend


@attrs.frozen(slots=True)
class OutOfBandEntry(Entry):
    """What a user is to a room that this server is not in changed, by an event outside of its
    timeline."""

    room_nid: int
    room_id: RoomId
    event_nid: int
    change: MembershipRow


@attrs.frozen(slots=True)
class ReceiptEntry(Entry):
    """Receipts of a user moved in a room."""

    room_nid: int
    receipts: tuple[ReceiptRow, ...]


@attrs.frozen(slots=True)
class TypingEntry(Entry):
    """The set of users who type in a room changed."""

    room_nid: int
    user_ids: tuple[UserId, ...]


@attrs.frozen(slots=True)
class AccountDataEntry(Entry):
    """Account data of a user changed: global, or of one room."""

    user_id: UserId
    room_id: RoomId | None
    type: str


@attrs.frozen(slots=True)
class ForgottenEntry(Entry):
    """A user forgot a room."""

    user_id: UserId
    room_id: RoomId


@attrs.frozen(slots=True)
class PresenceEntry(Entry):
    """The presence of a user changed.

    ``room_nids`` are the rooms of a user of another server; those of our own are known from their
    session.
    """

    user_id: UserId
    content: Mapping[str, object]
    room_nids: tuple[int, ...] = ()


@attrs.frozen(slots=True)
class ToDeviceEntry(Entry):
    """Messages came for devices of users of this shard."""

    recipients: tuple[tuple[UserId, DeviceId], ...]


@attrs.frozen(slots=True)
class DeviceListEntry(Entry):
    """The keys of a user or of their devices changed, which those see who share a room with them.

    ``room_nids`` are the rooms the user is in.
    """

    user_id: UserId
    room_nids: tuple[int, ...]


@attrs.frozen(slots=True)
class UserSignaturesEntry(Entry):
    """A user signed the keys of others, which the user alone sees."""

    user_id: UserId
    signed: tuple[UserId, ...]


@attrs.frozen(slots=True)
class OneTimeKeysEntry(Entry):
    """One-time or fallback keys of devices were uploaded or claimed. Not stored."""

    devices: tuple[tuple[UserId, DeviceId], ...]
