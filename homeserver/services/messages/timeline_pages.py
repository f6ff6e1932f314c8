"""Reading a room's timeline event by event, and filling its gaps on the way.

The places are those of the stitched order. A gap before the event at (position, sub) lies at
(position, sub - 1): just below that event, and above everything that is filled into it.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from homeserver.ports.federation.backfill import Backfiller
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import EventStore, Order
from homeserver.ports.rooms.states import Gap
from homeserver.rooms.view import NOWHERE, RoomView

# How often one request has gaps filled.
MOST_FILLINGS = 3


@attrs.frozen(slots=True)
class Stretch:
    """Some events in the direction of reading, and where to go on; None at the end."""

    events: list[StoredEvent]
    end: Order | None


class TimelinePages:
    """Reads one timeline in one direction for one request.

    ``stop`` is where reading ends, None for the end of what is known. ``is_short`` tells that a gap
    was met that could not be filled.
    """

    def __init__(
        self,
        view: RoomView,
        events: EventStore,
        backfiller: Backfiller,
        *,
        stop: Order | None,
        backwards: bool,
    ) -> None:
        self._view = view
        self._events = events
        self._backfiller = backfiller
        self._stop = stop
        self._backwards = backwards
        self._fillings = 0
        self._given_up: set[Order] = set()
        self.is_short = False

    async def read(self, place: Order, size: int) -> Stretch:
        """At most ``size`` events from a place on, up to the next gap.

        A gap at the place itself is filled first. Where that fails there are no events, and whoever
        reads on gets those beyond the gap.
        """
        while True:
            # The gaps first: what is filled in meanwhile is read then, or once more.
            gaps = await self._gaps(place)
            events = await self._read(place, size + 1)
            has_more = len(events) > size
            events = events[:size]
            gap = self._first_gap(gaps, place, events[-1].order if has_more else None)
            if gap is None:
                return Stretch(events, self._beyond(events[-1]) if has_more else None)
            mark = _mark(gap)
            near = [e for e in events if (e.order > mark) is self._backwards]
            if near:
                return Stretch(near, self._beyond(near[-1]))
            if not await self._fill(gap):
                return Stretch([], place)

    async def read_whole(self, place: Order, count: int) -> list[StoredEvent]:
        """As many events from a place on, or those up to a gap that cannot be filled."""
        found: list[StoredEvent] = []
        ahead: Order | None = place
        while ahead is not None and len(found) < count and not self.is_short:
            stretch = await self.read(ahead, count - len(found))
            found += stretch.events
            ahead = stretch.end
        return found

    async def _gaps(self, place: Order) -> Sequence[Gap]:
        """The gaps of the timeline, in the direction of reading; none where all are behind."""
        last = self._view.gap_position
        if not last or (not self._backwards and place[0] > last):
            return ()
        gaps = await self._backfiller.gaps(self._view.nid)
        return gaps[::-1] if self._backwards else gaps

    def _first_gap(self, gaps: Sequence[Gap], place: Order, last: Order | None) -> Gap | None:
        """The first gap between a place and the last event of a page, or the end of reading."""
        for gap in gaps:
            mark = _mark(gap)
            if mark not in self._given_up and self._is_between(place, mark, last):
                return gap
        return None

    def _is_between(self, place: Order, mark: Order, last: Order | None) -> bool:
        ends = [each for each in (self._stop, last) if each is not None]
        if self._backwards:
            return max([NOWHERE, *ends]) < mark <= place
        return place < mark and (not ends or mark < min(ends))

    async def _fill(self, gap: Gap) -> bool:
        self._fillings += 1
        if self._fillings <= MOST_FILLINGS and await self._backfiller.fill(self._view.nid, gap):
            return True
        self.is_short = True
        self._given_up.add(_mark(gap))
        return False

    def _beyond(self, event: StoredEvent) -> Order:
        position, sub = event.order
        return (position, sub - 1) if self._backwards else (position, sub)

    async def _read(self, place: Order, limit: int) -> list[StoredEvent]:
        if not self._backwards:
            return await self._events.timeline(
                self._view.nid, after=place, until=self._stop, backwards=False, limit=limit
            )
        found = self._from_memory(place, limit)
        if found is not None:
            return found
        return await self._events.timeline(
            self._view.nid, after=self._stop, until=place, backwards=True, limit=limit
        )

    def _from_memory(self, place: Order, limit: int) -> list[StoredEvent] | None:
        """A page backwards out of the room's newest events, if they reach far enough."""
        floor = self._stop if self._stop is not None else NOWHERE
        found = [e for e in reversed(self._view.tail) if floor < e.order <= place]
        if len(found) >= limit or self._view.tail_after <= floor:
            return found[:limit]
        return None


def _mark(gap: Gap) -> Order:
    return (gap.position, gap.sub - 1)
