"""What the floors above ask of storage about relations between events."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.events import StoredEvent
from homeserver.ports.rooms import Order


@attrs.frozen(slots=True)
class ThreadSummary:
    """A thread: how many events it has, its newest one, and whether a user took part."""

    root: EventId
    count: int
    latest_nid: int
    participated: bool


@attrs.frozen(slots=True)
class Related:
    """What relates to some events, as far as it is bundled with them."""

    edits: list[tuple[EventId, StoredEvent]]
    """(target, edit), newest last."""
    references: list[tuple[EventId, EventId]]
    """(target, referring event), oldest first."""
    threads: list[ThreadSummary]


class RelationStore(Protocol):
    """Relations between events."""

    async def bundled(self, event_ids: list[EventId], reader: UserId) -> Related:
        """What relates to these events; in a fixed number of queries."""
        ...

    async def related(
        self,
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
        """(number, depth) of the events that relate to ``target``, directly or over up to
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
