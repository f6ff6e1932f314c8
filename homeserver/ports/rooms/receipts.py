"""What the floors above ask of storage about receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.database import Transaction

UNTHREADED = ""


@attrs.frozen(slots=True)
class ReceiptRow:
    """Up to where a user has read a room, or one of its threads.

    ``receipt_type`` is m.read or m.read.private; ``thread_id`` is "" when unthreaded, "main", or
    the thread's root. ``position`` is the receipt's own place in the log; ``read_*`` describe the
    event that was read.
    """

    room_nid: int
    user_id: UserId
    receipt_type: str
    thread_id: str
    event_id: EventId
    ts: int
    position: int
    read_position: int
    read_sub: int
    read_ordinal: int
    read_room_highlight_ordinal: int

    @property
    def read_order(self) -> tuple[int, int]:
        """The place in the stitched order of the event that was read."""
        return (self.read_position, self.read_sub)


class ReceiptStore(Protocol):
    """Receipts; they are read with their rooms."""

    def put(self, tx: Transaction, receipts: Sequence[ReceiptRow]) -> None:
        """Store receipts, each in place of the older one of its user, type and thread, and forget
        of which events they passed their users were to be notified."""
        ...
