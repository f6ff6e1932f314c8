"""When something was said in rooms last. MSC4186, "bump_stamp"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from weakref import WeakKeyDictionary

from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.room_activity import RoomActivityStore
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.view import NOWHERE, RoomView

BUMPING: Final = frozenset(
    {
        "m.room.create",
        "m.room.message",
        "m.room.encrypted",
        "m.sticker",
        "m.call.invite",
        "m.poll.start",
        "m.beacon_info",
    }
)

_PER_MILLISECOND: Final = 1000
_LATEST_MS: Final = 2**53 // _PER_MILLISECOND - 1


def bumps(stored: StoredEvent) -> bool:
    """Whether an event is activity that brings its room to the front."""
    return stored.event.type in BUMPING


def stamp(origin_server_ts: int, position: int) -> int:
    """The stamp of an event. Rooms are compared by it, so it goes by the time, as positions of
    different shards say nothing about each other; by the position within a millisecond."""
    ms = min(max(origin_server_ts, 0), _LATEST_MS)
    return ms * _PER_MILLISECOND + position % _PER_MILLISECOND


class BumpStamps:
    """The stamps of rooms: from their newest events, or else read once."""

    def __init__(self, store: RoomActivityStore) -> None:
        self._store = store
        self._read: WeakKeyDictionary[RoomView, tuple[Order, int]] = WeakKeyDictionary()

    async def prepare(self, views: Iterable[RoomView]) -> None:
        """Bring the stamps of many rooms into memory, in one query."""
        missing = {view.nid: view for view in views if self._known(view) is None}
        if not missing:
            return
        seen = {nid: view.tail[-1].order for nid, view in missing.items()}
        for event in await self._store.last_events_of_types(list(missing), sorted(BUMPING)):
            found = stamp(event.origin_server_ts, event.position)
            self._read[missing[event.room_nid]] = (seen[event.room_nid], found)

    async def of(self, view: RoomView) -> int:
        """The stamp of a room; 0 for one in which nothing was ever said."""
        if self._known(view) is None:
            await self.prepare([view])
        return self._known(view) or 0

    def _known(self, view: RoomView) -> int | None:
        for stored in reversed(view.tail):
            if bumps(stored):
                return stamp(stored.event.origin_server_ts, stored.position)
        if view.tail_after == NOWHERE:
            return 0
        seen, found = self._read.get(view, (NOWHERE, 0))
        return found if seen >= view.tail_after else None
