"""What the floors above ask of storage about unread events."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, UserId


@attrs.frozen(slots=True)
class Place:
    """A place in a room, and the room's ordinals there."""

    position: int
    ordinal: int
    room_highlight_ordinal: int


@attrs.frozen(slots=True)
class Tally:
    """Of one room, after a user's read position: what the room's ordinals do not say.

    ``own`` is the user's newest message; whoever says something has read what came before.
    ``excluded`` counts notifying events of senders whom the user ignores. ``notify`` and
    ``highlight`` count the user's own notification rows, ``extra_notify`` and ``extra_highlight``
    those of them that the room's ordinals do not count already.
    """

    room_nid: int
    own: Place | None = None
    excluded: int = 0
    excluded_highlights: int = 0
    notify: int = 0
    highlight: int = 0
    extra_notify: int = 0
    extra_highlight: int = 0


@attrs.frozen(slots=True)
class ThreadTally:
    """Notifying events of one thread (None: the main timeline) after where a user has read it."""

    room_nid: int
    thread_root: EventId | None
    notify: int
    highlight: int


class UnreadStore(Protocol):
    """Counting what a user has not read.

    What is read is told by the user's receipts, messages and last join, as stored. Events after
    ``until``, a position of the shard that all the rooms are in, are left out.
    """

    async def tallies(
        self, user_id: UserId, ignored: list[UserId], room_nids: list[int], until: int
    ) -> list[Tally]:
        """Tallies of many rooms in a fixed number of queries; a room without any is left out."""
        ...

    async def threads(
        self,
        user_id: UserId,
        ignored: list[UserId],
        room_nids: list[int],
        until: int,
        *,
        individual: list[int],
    ) -> list[ThreadTally]:
        """Tallies of the threads of many rooms in a fixed number of queries.

        Of the rooms in ``individual`` only the user's own rows are counted.
        """
        ...
