"""What the sync engine asks of storage about the timelines of many rooms at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order


@attrs.frozen(slots=True)
class Sought:
    """Which timeline events are looked for: of these types and senders; None for any."""

    types: Collection[str] | None = None
    senders: Collection[str] | None = None


@attrs.frozen(slots=True)
class Newest:
    """Of the newest events of a room those that were looked for and all that set state, oldest
    first; ``after`` is the place after which there are no others."""

    events: list[StoredEvent]
    after: Order


class TimelineStore(Protocol):
    """The timelines of rooms."""

    async def newest(
        self, room_nids: Sequence[int], until: int, count: int, sought: Sought
    ) -> dict[int, Newest]:
        """What is looked for among the newest ``count`` events up to a position of each of these
        rooms, by room; in a fixed number of queries."""
        ...

    async def having_related(
        self,
        event_ids: Sequence[EventId],
        *,
        rel_types: Collection[str] | None,
        senders: Collection[str] | None,
    ) -> set[tuple[int, EventId]]:
        """(room, event) of those of some events to which events of that room relate by one of
        ``rel_types`` (None: any) that are of one of ``senders`` (None: anyone)."""
        ...
