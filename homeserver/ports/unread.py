"""What the floors above ask of storage about unread events."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, UserId


@attrs.frozen(slots=True)
class Tally:
    """Of one room, after a user's read position: what the room's ordinals do not say.

    ``excluded`` counts notifying events of senders who do not notify this user (themselves, and
    whom they ignore); ``notify`` and ``highlight`` count the user's own notification rows.
    """

    room_nid: int
    excluded: int = 0
    excluded_highlights: int = 0
    notify: int = 0
    highlight: int = 0


@attrs.frozen(slots=True)
class ThreadTally:
    """Notifying events of one thread (None: the main timeline) after where a user has read it."""

    thread_root: EventId | None
    notify: int
    highlight: int


class UnreadStore(Protocol):
    """Counting what a user has not read."""

    async def tallies(
        self, user_id: UserId, excluded: list[UserId], room_nids: list[int]
    ) -> list[Tally]:
        """Tallies of many rooms in a fixed number of queries; a room without any is left out.

        What is read is told by the user's unthreaded receipts and last join, as stored.
        """
        ...

    async def threads(
        self, user_id: UserId, excluded: list[UserId], room_nid: int, individual: bool
    ) -> list[ThreadTally]:
        """Tallies of a room's threads. ``individual`` counts only the user's own rows."""
        ...
