"""Events by number, kept within a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import EventStore


class EventCache:
    """The events that were used last, and the way to the others."""

    def __init__(self, store: EventStore, budget_bytes: int) -> None:
        self.store = store
        self._budget = budget_bytes
        self._events: OrderedDict[int, StoredEvent] = OrderedDict()
        self.bytes = 0
        # What was replaced while reads were under way: these may bring the older form.
        self._reading = 0
        self._replaced: dict[int, Callable[[StoredEvent], StoredEvent]] = {}

    def get(self, nid: int) -> StoredEvent | None:
        """An event that is in memory."""
        event = self._events.get(nid)
        if event is not None:
            self._events.move_to_end(nid)
        return event

    def replace(self, nid: int, change: Callable[[StoredEvent], StoredEvent]) -> None:
        """From now on an event has another form, a redacted one."""
        if self._reading:
            self._replaced[nid] = change
        event = self._events.get(nid)
        if event is not None:
            self.put(change(event))

    def put(self, event: StoredEvent) -> None:
        """Keep an event; a redacted form takes the place of the event."""
        known = self._events.pop(event.nid, None)
        if known is not None:
            self.bytes -= known.weight
        self._events[event.nid] = event
        self.bytes += event.weight
        while self.bytes > self._budget and len(self._events) > 1:
            _, oldest = self._events.popitem(last=False)
            self.bytes -= oldest.weight

    async def fetch(self, nids: Iterable[int]) -> dict[int, StoredEvent]:
        """Events by number; those not in memory are read in one query."""
        found: dict[int, StoredEvent] = {}
        missing = []
        for nid in nids:
            event = self.get(nid)
            if event is None:
                missing.append(nid)
            else:
                found[nid] = event
        if missing:
            for event in await self._read(missing):
                found[event.nid] = event
                self.put(event)
        return found

    async def _read(self, nids: list[int]) -> list[StoredEvent]:
        self._reading += 1
        try:
            events = await self.store.by_nid(nids)
            return [
                self._replaced[e.nid](e) if e.nid in self._replaced and e.redacted_by is None else e
                for e in events
            ]
        finally:
            self._reading -= 1
            if not self._reading:
                self._replaced.clear()

    async def fetch_ids(self, event_ids: list[EventId]) -> dict[EventId, StoredEvent]:
        """Events by id, in one query."""
        events = await self.store.by_id(event_ids) if event_ids else []
        return {event.event.event_id: event for event in events}
