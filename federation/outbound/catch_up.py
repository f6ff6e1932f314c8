"""Reading what a destination that is behind has missed.

The log is in the database: of what was missed only references are read, and a bounded part at a
time. A server that missed very much is sent the newest event of each room, from which it fetches
what it wants ("Backfilling and retrieving missing events").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from federation.outbound.cursors import CursorKeeper
from federation.outbound.destination import Destination
from federation.outbound.due import Due, DueEvent
from homeserver.ports.federation.outbound import (
    DeviceListStreamStore,
    MissedEvent,
    OutboundStore,
    Positions,
    Window,
)

PART: Final = 1_000
"""How many events are looked up at once."""

MOST_MISSED: Final = 5_000
"""A destination that missed more is far behind."""

MOST_RECEIPTS: Final = 1_000

log = structlog.get_logger(__name__)


class CatchUp:
    """Fills the queues of destinations that are behind."""

    def __init__(
        self,
        store: OutboundStore,
        devices: DeviceListStreamStore,
        cursors: CursorKeeper,
        most_missed: int = MOST_MISSED,
    ) -> None:
        self._store = store
        self._devices = devices
        self._cursors = cursors
        self._most_missed = most_missed

    async def read(self, destination: Destination, passed: Sequence[int]) -> None:
        """Queue the first part of what a destination lacks of what was handed out."""
        name = destination.name
        until: Positions = tuple(map(max, passed, destination.cursor))
        window = Window(tuple(destination.cursor), until)
        destination.until = until
        destination.has_more = False
        await self._cursors.settled()
        events, whole = await self._events(destination, window)
        keys = await self._devices.missed(name, window)
        receipts = await self._store.missed_receipts(name, window, MOST_RECEIPTS)
        if destination.until is not until:
            # Something that belongs in here came meanwhile.
            return
        destination.until = part = until if whole is None else whole
        if whole is not None:
            destination.has_more = True
        found: list[Due] = [DueEvent(each.shard, each.position, each.nid) for each in events]
        found += [each for each in keys.devices if each.position <= part[each.shard]]
        found += [each for each in keys.signing_keys if each.position <= part[each.shard]]
        destination.queue = deque(sorted(found, key=_position))
        if whole is None:
            for receipt in receipts:
                destination.ephemeral.add_receipt(receipt)

    async def _events(
        self, destination: Destination, window: Window
    ) -> tuple[list[MissedEvent], Positions | None]:
        """The first missed events, and up to where they go, if that is not the whole window."""
        name = destination.name
        events = await self._store.missed_events(name, window, self._most_missed + 1)
        if len(events) > self._most_missed:
            newest = await self._store.newest_missed(name, window)
            log.info("destination_far_behind", destination=name, rooms=len(newest))
            return newest, None
        if len(events) <= PART:
            return events, None
        end = events[PART].position
        first = [event for event in events[:PART] if event.position < end]
        return first, tuple(min(until, end - 1) for until in window.until)


def _position(due: Due) -> int:
    return due.position
