"""The newest of the timelines of rooms, as a reader's filter leaves them.

What memory does not hold is read for many rooms at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from homeserver.domain.events import StateKey
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order
from homeserver.ports.rooms.timelines import Newest, Sought, TimelineStore
from homeserver.rooms.view import NOWHERE, RoomView
from homeserver.sync.parts import PartWriter, by_place, not_overtaken
from homeserver.sync.relation_filter import RelationFilter
from homeserver.sync.timelines import gap_before, shows_timeline, wanted
from homeserver.sync.windows import LARGEST_LIMIT, Window

ROOMS_AT_ONCE: Final = 20
"""Of how many rooms the newest events are read, and held, together."""

RoomsToRead = Sequence[tuple[RoomView, Window]]


@attrs.frozen(slots=True)
class NewestTimeline:
    """The timeline of a room from scratch, and by place the last state events that it passes over.

    ``changes`` are the events that set state from where it begins until its end. These are all of
    them if it begins after the place ``after``.
    """

    events: list[StoredEvent]
    memberships: Mapping[int, str]
    limited: bool
    passed_over: Mapping[StateKey, StoredEvent]
    changes: list[StoredEvent]
    after: Order

    @property
    def first(self) -> StoredEvent | None:
        """The event that it begins with."""
        return self.events[0] if self.events else None


class NewestTimelines:
    """Finds what of rooms is shown from scratch. The windows have no ``since``."""

    def __init__(
        self,
        writer: PartWriter,
        relations: RelationFilter,
        store: TimelineStore,
    ) -> None:
        self._writer = writer
        self._relations = relations
        self._store = store

    async def of(self, rooms: RoomsToRead) -> dict[int, NewestTimeline]:
        """The timelines of rooms, by number. What memory does not hold is read in bulk."""
        found = [(room, window, _newest_in_memory(room, window)) for room, window in rooms]
        timelines = await self._shown(
            [(room, window, newest) for room, window, newest in found if newest is not None]
        )
        missing = [(room, window) for room, window, newest in found if newest is None]
        for start in range(0, len(missing), ROOMS_AT_ONCE):
            some = missing[start : start + ROOMS_AT_ONCE]
            read = await self._read(some)
            timelines |= await self._shown(
                [(room, window, read[room.nid]) for room, window in some]
            )
        return timelines

    async def _read(self, rooms: RoomsToRead) -> dict[int, Newest]:
        """The newest events of rooms, by number; one query for each shard."""
        definition = rooms[0][1].options.filter.room.timeline
        sought = Sought(definition.types, definition.senders)
        by_end: dict[int, list[int]] = defaultdict(list)
        for room, window in rooms:
            by_end[window.until].append(room.nid)
        found: dict[int, Newest] = {}
        for until, nids in by_end.items():
            found |= await self._store.newest(nids, until, LARGEST_LIMIT, sought)
        return found

    async def _shown(
        self, rooms: Sequence[tuple[RoomView, Window, Newest]]
    ) -> dict[int, NewestTimeline]:
        """What of the newest events of rooms is shown, by number."""
        windows = await self._relations.look_up(
            [(room, window, newest.events) for room, window, newest in rooms]
        )
        return {
            room.nid: await self._timeline(room, window, newest)
            for (room, _, newest), window in zip(rooms, windows, strict=True)
        }

    async def _timeline(self, room: RoomView, window: Window, newest: Newest) -> NewestTimeline:
        limit, floor = window.options.limit, _floor(window)
        gap = gap_before(room, window.until)
        lacks_some = newest.after > floor or gap > floor
        floor = max(floor, gap)
        found = [e for e in wanted(room, newest.events, window) if e.order > floor]
        limited = len(found) > limit or lacks_some
        if not shows_timeline(room, window.options):
            limited = False
        found = found[-limit:]
        seen, memberships = await self._writer.seen(room, window, found)
        if not seen or window.options.use_state_after:
            return NewestTimeline(seen, memberships, limited, {}, [], newest.after)
        # It begins after all changes of the state that the reader may not see.
        shown = {e.nid for e in seen}
        unseen = [e.order for e in found if e.event.is_state and e.nid not in shown]
        rest = [e for e in seen if not unseen or e.order > unseen[-1]]
        changes = [e for e in newest.events if e.event.is_state and e.order >= seen[0].order]
        passed_over = by_place(e for e in changes if e.nid not in shown)
        rest = not_overtaken(rest, passed_over)
        limited = limited or len(rest) < len(seen)
        return NewestTimeline(rest, memberships, limited, passed_over, changes, newest.after)


def _floor(window: Window) -> Order:
    """The place up to which the reader knows the timeline."""
    return (window.known_until, 0) if window.known_until is not None else NOWHERE


def _newest_in_memory(room: RoomView, window: Window) -> Newest | None:
    """The newest events up to the window's end, if memory has enough of them for its limit."""
    newest = [e for e in room.tail if e.position <= window.until]
    options = window.options
    if (
        room.tail_after <= _floor(window)
        or not shows_timeline(room, options)
        or (not options.asks_relations and len(wanted(room, newest, window)) >= options.limit)
    ):
        return Newest(newest, room.tail_after)
    return None
