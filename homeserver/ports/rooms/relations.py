"""What the floors above ask of storage about relations between events."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.rooms.events import FOREVER, StoredEvent
from homeserver.ports.rooms.rooms import Order


@attrs.frozen(slots=True)
class ThreadSummary:
    """A thread: how many events it has, its newest one, and whether a user took part."""

    room_nid: int
    root: EventId
    count: int
    latest_nid: int
    participated: bool


@attrs.frozen(slots=True)
class Onlooker:
    """For whom relations are gathered: whom they ignore, and until which position they see."""

    user_id: UserId
    ignored: frozenset[UserId] = frozenset()
    until: int = FOREVER


@attrs.frozen(slots=True)
class Related:
    """What relates to some events, as far as it is bundled with them.

    An event may claim to relate to one of another room: the reader checks that rooms agree.
    """

    edits: list[tuple[EventId, StoredEvent]]
    """(target, edit), newest last."""
    references: list[tuple[int, EventId, EventId]]
    """(room, target, referring event), oldest first."""
    threads: list[ThreadSummary]


class RelationStore(Protocol):
    """Relations between events."""

    async def bundled(self, event_ids: list[EventId], onlooker: Onlooker) -> Related:
        """What relates to these events; in a fixed number of queries."""
        ...

    async def having_related(
        self,
        room_nid: int,
        event_ids: list[EventId],
        *,
        rel_types: list[str] | None,
        senders: list[str] | None,
    ) -> list[EventId]:
        """Those of some events to which others relate by one of ``rel_types`` (None: any), and
        those of one of ``senders`` (None: anyone)."""
        ...

    async def related(
        self,
        room_nid: int,
        target: EventId,
        *,
        rel_type: str | None,
        event_type: str | None,
        after: Order | None,
        until: Order | None,
        backwards: bool,
        limit: int,
        recurse_depth: int,
    ) -> list[tuple[int, int]]:
        """(number, depth) of the events of a room that relate to ``target``, directly or over up to
        ``recurse_depth`` relations, in the stitched order within (after, until]."""
        ...

    async def threads(
        self, room_nid: int, *, participated_by: UserId | None, before: int | None, limit: int
    ) -> list[tuple[EventId, int]]:
        """(root, position of the newest event) of a room's threads, newest activity first."""
        ...

    async def has_annotation(
        self, target: EventId, sender: UserId, event_type: str, key: str
    ) -> bool:
        """Whether a user has annotated an event with this key already."""
        ...
