"""Walking back from events to those before them.

Server-server API, "Backfilling and retrieving missing events".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import RoomView

MOST_READS: Final = 10
"""How often the database is asked during a walk, twice each time: where branches reach far back."""

_SERVED: Final = (Standing.ACCEPTED, Standing.SOFT_FAILED)


class PastEvents:
    """Finds what came before events of a room, as far as it is here."""

    def __init__(self, events: EventCache) -> None:
        self._events = events

    async def walk(
        self,
        room: RoomView,
        start: Sequence[EventId],
        limit: int,
        *,
        passed_over: Collection[EventId] = (),
        min_depth: int = 0,
    ) -> list[StoredEvent]:
        """At most ``limit`` events, breadth first: those of ``start`` and what is before them.

        Those ``passed_over`` and what only they follow are left out, as is what is less deep than
        ``min_depth``. Rejected events are walked past; what is not in the room is not there.
        """
        known = {stored.event.event_id: stored for stored in room.tail}
        found: list[StoredEvent] = []
        seen = set(passed_over)
        reads = 0
        ahead = _new(start, seen)
        while ahead and len(found) < limit:
            missing = [event_id for event_id in ahead if event_id not in known]
            if missing and reads < MOST_READS:
                reads += 1
                known.update(await self._read(room, missing, limit - len(found)))
            generation = [known[event_id] for event_id in ahead if event_id in known]
            generation = [stored for stored in generation if stored.event.depth >= min_depth]
            found += [stored for stored in generation if stored.standing in _SERVED]
            ahead = _new([i for stored in generation for i in stored.event.prev_event_ids], seen)
        return found[:limit]

    async def _read(
        self, room: RoomView, event_ids: list[EventId], limit: int
    ) -> dict[EventId, StoredEvent]:
        """Some events, and those that lie before them in the timeline, which are the next to be
        wanted."""
        found = await self._events.fetch_ids(event_ids)
        known = {i: stored for i, stored in found.items() if stored.room_nid == room.nid}
        placed = [stored.order for stored in known.values() if stored.standing is Standing.ACCEPTED]
        if placed:
            before = await self._events.store.timeline(
                room.nid, until=max(placed), backwards=True, limit=limit + len(placed)
            )
            known.update((stored.event.event_id, stored) for stored in before)
        return known


def _new(event_ids: Sequence[EventId], seen: set[EventId]) -> list[EventId]:
    """Those that were not seen yet, each once; they are seen from now on."""
    new = [event_id for event_id in dict.fromkeys(event_ids) if event_id not in seen]
    seen.update(new)
    return new
