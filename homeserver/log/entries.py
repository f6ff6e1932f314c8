"""What the log holds: everything that a client can see arrive."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.events import EventAppend
from homeserver.ports.receipts import ReceiptRow


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
    """The presence of a user changed."""

    user_id: UserId
    content: Mapping[str, object]
