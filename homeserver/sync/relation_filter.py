"""Timeline filters that let only events pass to which others relate.

Client-server API, "Threading", "Filtering": ``related_by_rel_types`` and ``related_by_senders``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import attrs

from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.timelines import TimelineStore
from homeserver.rooms.view import RoomView
from homeserver.sync.timelines import wanted
from homeserver.sync.windows import Window


class RelationFilter:
    """Looks up to which events others relate."""

    def __init__(self, store: TimelineStore) -> None:
        self._store = store

    async def look_up(
        self, rooms: Sequence[tuple[RoomView, Window, list[StoredEvent]]]
    ) -> list[Window]:
        """The windows of one reader, which know from then on to which of these events others
        relate as the filter asks. One query, and none where memory tells that nothing does."""
        windows = [window for _, window, _ in rooms]
        if not windows or not windows[0].options.asks_relations:
            return windows
        candidates = [
            stored.event.event_id
            for room, window, events in rooms
            for stored in wanted(room, events, window)
            if room.may_be_related(stored)
        ]
        related: dict[int, set[EventId]] = defaultdict(set)
        if candidates:
            definition = windows[0].options.filter.room.timeline
            for room_nid, event_id in await self._store.having_related(
                candidates,
                rel_types=definition.related_by_rel_types,
                senders=definition.related_by_senders,
            ):
                related[room_nid].add(event_id)
        return [
            attrs.evolve(window, related=frozenset(related[room.nid])) for room, window, _ in rooms
        ]
