"""The event nearest to a time, wherever it is.

Client-server API, "GET /rooms/{roomId}/timestamp_to_event"; server-server API, the operation of the
same name. Where the timeline lacks events near the time, other servers are asked whether they have
one that is nearer, and the gap is filled until it is here.
"""

from __future__ import annotations

from typing import Final

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import UserId
from homeserver.ports.federation.backfill import Backfiller
from homeserver.ports.federation.remote_times import RemoteTimes, TimedEvent
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.ports.rooms.states import Gap
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import RoomView
from homeserver.services.messages.history import History

MOST_FILLS: Final = 3
"""How often a gap is filled to bring an event here."""


class NearestEvents:
    """Finds events by their time."""

    def __init__(
        self,
        history: History,
        events: EventCache,
        remote: RemoteTimes,
        backfiller: Backfiller,
    ) -> None:
        self._history = history
        self._events = events
        self._remote = remote
        self._backfiller = backfiller

    async def find(
        self, view: RoomView, user_id: UserId, ts: int, *, backwards: bool
    ) -> StoredEvent:
        """The event nearest to a time, if the user may see it; else NotFound."""
        found = await self._here(view, user_id, ts, backwards)
        if found is not None and found.event.origin_server_ts == ts:
            return found
        gap = await self._gap_near(view, found, backwards)
        if gap is not None:
            told = await self._remote.nearest(
                view.room_id, view.joined_servers, ts, backwards=backwards
            )
            if told is not None and _is_nearer(told, found, ts):
                await self._bring(view, told, gap)
                found = await self._here(view, user_id, ts, backwards)
        if found is None:
            raise NotFound("There is no event in this direction")
        return found

    async def _here(
        self, view: RoomView, user_id: UserId, ts: int, backwards: bool
    ) -> StoredEvent | None:
        try:
            return await self._history.nearest_to_time(view, user_id, ts, backwards=backwards)
        except NotFound:
            return None

    async def _gap_near(
        self, view: RoomView, found: StoredEvent | None, backwards: bool
    ) -> Gap | None:
        """The gap in which something nearer could be: the one before the event that was found, or
        after it where it is the last before the time."""
        gaps = await self._backfiller.gaps(view.nid)
        if backwards:
            after = [g for g in gaps if found is None or (g.position, g.sub) > found.order]
            return after[0] if after else None
        if found is None:
            return None
        before = [g for g in gaps if (g.position, g.sub) <= found.order]
        return before[-1] if before else None

    async def _bring(self, view: RoomView, told: TimedEvent, gap: Gap) -> None:
        """Fill a gap until an event is here, or nothing more comes."""
        remaining: Gap | None = gap
        for _ in range(MOST_FILLS):
            if remaining is None or not await self._backfiller.fill(view.nid, remaining):
                return
            if await self._is_here(view, told):
                return
            below = [
                g
                for g in await self._backfiller.gaps(view.nid)
                if (g.position, g.sub) <= (gap.position, gap.sub)
            ]
            remaining = below[-1] if below else None

    async def _is_here(self, view: RoomView, told: TimedEvent) -> bool:
        stored = (await self._events.fetch_ids([told.event_id])).get(told.event_id)
        return (
            stored is not None
            and stored.room_nid == view.nid
            and stored.standing is Standing.ACCEPTED
        )


def _is_nearer(told: TimedEvent, found: StoredEvent | None, ts: int) -> bool:
    if found is None:
        return True
    return abs(told.origin_server_ts - ts) < abs(found.event.origin_server_ts - ts)
