"""The timeline of a room as an answer shows it: what came, or the newest there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from homeserver.log.tokens import TimelineToken
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import NOWHERE
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.session import Session
from homeserver.sync.sliding.room_configs import LARGEST_TIMELINE
from homeserver.sync.sliding.telling import Telling
from homeserver.sync.timelines import gap_before


@attrs.frozen(slots=True)
class ShownTimeline:
    """Events that the reader may see, and their memberships where they were not joined."""

    events: list[StoredEvent]
    memberships: Mapping[int, str]
    limited: bool

    def begins(self, until: int) -> TimelineToken:
        """The place before it; ``until`` is where it ends."""
        if not self.events:
            return TimelineToken(until)
        return TimelineToken(self.events[0].position, self.events[0].sub - 1)

    def held(self, until: int) -> Order:
        """The place from which on whoever is shown it has every event."""
        if not self.limited:
            return NOWHERE
        return self.events[0].order if self.events else (until + 1, 0)


class RoomTimelines:
    """Reads timelines; those in memory without asking the database."""

    def __init__(self, events: EventCache, visibility: Visibility) -> None:
        self._events = events
        self._visibility = visibility

    async def after(self, telling: Telling) -> tuple[list[StoredEvent], bool]:
        """The newest events after what the client knows, oldest first, and whether these are
        all."""
        assert telling.since is not None
        news, is_whole = await self._after_place(telling, (telling.since, 0))
        gap = gap_before(telling.view, telling.until)
        if gap < (telling.since, 0):
            return news, is_whole
        return [e for e in news if e.order > gap], False

    async def _after_place(self, telling: Telling, place: Order) -> tuple[list[StoredEvent], bool]:
        view, until = telling.view, telling.until
        news = view.after(place)
        if news is not None:
            return (news if view.position <= until else events_until(news, until)), True
        limit = LARGEST_TIMELINE
        news = await self._events.store.timeline(
            view.nid, after=place, until=(until, 0), backwards=True, limit=limit + 1
        )
        news.reverse()
        return news[-limit:], len(news) <= limit

    async def shown(
        self, telling: Telling, news: list[StoredEvent], is_whole: bool
    ) -> ShownTimeline:
        """As many of the news as are wanted; ``is_whole`` when these are all."""
        found = _not_ignored(telling.session, news)
        shown = last_of(found, telling.config.timeline_limit)
        limited = not is_whole or len(shown) < len(found)
        seen, memberships = await self._visible(telling, shown)
        return ShownTimeline(seen, memberships, limited)

    async def newest(self, telling: Telling) -> ShownTimeline:
        """The newest events of a room, as many as are wanted."""
        view, limit = telling.view, telling.config.timeline_limit
        newest, reaches = events_until(view.tail, telling.until), view.tail_after
        found = _not_ignored(telling.session, newest)
        if len(found) < limit and reaches > NOWHERE:
            most = 2 * LARGEST_TIMELINE
            newest = await self._events.store.timeline(
                view.nid, until=(telling.until, 0), backwards=True, limit=most
            )
            newest.reverse()
            reaches = newest[0].order if len(newest) == most else NOWHERE
            found = _not_ignored(telling.session, newest)
        gap = gap_before(view, telling.until)
        if gap > NOWHERE:
            reaches = max(reaches, gap)
            found = [e for e in found if e.order > gap]
        shown = last_of(found, limit)
        limited = reaches > NOWHERE or len(shown) < len(found)
        seen, memberships = await self._visible(telling, shown)
        return ShownTimeline(seen, memberships, limited)

    async def _visible(
        self, telling: Telling, events: Sequence[StoredEvent]
    ) -> tuple[list[StoredEvent], Mapping[int, str]]:
        return await self._visibility.visible(telling.view, telling.session.user_id, events)


def wants_more(telling: Telling) -> bool:
    """Whether more of the timeline is wanted than the client has."""
    assert telling.known is not None
    limit = telling.config.timeline_limit
    if limit <= telling.known.timeline_limit:
        return False
    held = telling.held
    if held is None:
        return True
    return held != NOWHERE and sum(e.order >= held for e in telling.view.tail) < limit


def _not_ignored(session: Session, events: list[StoredEvent]) -> list[StoredEvent]:
    if not session.ignored:
        return events
    return [
        e for e in events if e.event.sender not in session.ignored or e.event.state_key is not None
    ]


def events_until(events: Iterable[StoredEvent], position: int) -> list[StoredEvent]:
    """The events up to a position."""
    return [e for e in events if e.position <= position]


def last_of(events: list[StoredEvent], limit: int) -> list[StoredEvent]:
    """At most ``limit`` events, the newest."""
    return events[-limit:] if limit else []
