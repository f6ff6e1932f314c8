"""Reading what was said: pages, single events, contexts, members of the past.

Client-server API, "Getting events for a room".
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.filters import CompiledRoomEventFilter
from homeserver.domain.identifiers import DeviceId, EventId, RoomId, UserId
from homeserver.domain.visibility import may_peek_at_event, parse_history_visibility
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.federation.backfill import NO_BACKFILL, Backfiller
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.ports.rooms.relations import RelationStore
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import Presenter, Reader
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.rooms.visible_events import VISIBILITY, Visibility
from homeserver.services.messages.timeline_pages import TimelinePages

# How many events one request looks through for those that a filter lets pass.
LOOKED_THROUGH = 1000


@attrs.frozen(slots=True)
class Page:
    """Some events as the client receives them, and where the pages before and after begin.

    ``end`` is None where there is nothing more to see.
    """

    events: list[bytes]
    start: TimelineToken
    end: TimelineToken | None
    state: list[bytes]


@attrs.frozen(slots=True)
class Context:
    """An event with what came before and after it, and the state at its end."""

    event: bytes
    before: list[bytes]
    after: list[bytes]
    start: TimelineToken
    end: TimelineToken
    state: list[bytes]


class History:
    """Reads rooms on behalf of users, who see what their membership allows."""

    def __init__(
        self,
        directory: RoomDirectory,
        presenter: Presenter,
        visibility: Visibility,
        relations: RelationStore,
        clock: Clock,
        backfiller: Backfiller = NO_BACKFILL,
    ) -> None:
        self._backfiller = backfiller
        self._relations = relations
        self._directory = directory
        self._events = directory.events
        self._presenter = presenter
        self._visibility = visibility
        self._clock = clock

    async def readable(self, room_id: RoomId, user_id: UserId) -> RoomView:
        """A room that a user may read: is in, was in, or may peek into. Else Forbidden."""
        try:
            view = (await self._directory.by_id(room_id)).view
        except NotFound:
            # Whether a room exists is nobody's business who is not in it.
            raise Forbidden("You are not in this room") from None
        if view.is_joined(user_id):
            return view
        user_room = await self._directory.store.room_of_user(user_id, view.nid)
        if user_room is not None and user_room.joined_position and not user_room.forgotten:
            return view
        if _may_peek(view):
            return view
        raise Forbidden("You are not in this room")

    async def readable_for_event(self, room_id: RoomId, user_id: UserId) -> RoomView:
        """As ``readable``, but raises NotFound: so is every event that a user may not read."""
        try:
            return await self.readable(room_id, user_id)
        except Forbidden:
            raise NotFound("Event not found") from None

    async def page(
        self,
        view: RoomView,
        user_id: UserId,
        device_id: DeviceId | None,
        *,
        start: TimelineToken | None,
        stop: TimelineToken | None,
        backwards: bool,
        limit: int,
        definition: CompiledRoomEventFilter,
    ) -> Page:
        """A page of the timeline from ``start``, newest first when ``backwards``.

        Without ``start`` it begins at the newest event (or at the first one). It ends at ``stop``,
        after ``limit`` events, or where nothing more can be seen.
        """
        reader = await self.reader(view, user_id, device_id)
        if start is None:
            start = TimelineToken(min(view.position, reader.until) if backwards else 0)
        found: list[StoredEvent] = []
        memberships: dict[int, str] = {}
        place: Order | None = start.order if not definition.is_pass_none else None
        looked = 0
        pages = self._pages(view, stop=stop.order if stop else None, backwards=backwards)
        while place is not None and len(found) < limit and looked < LOOKED_THROUGH:
            stretch = await pages.read(place, max(limit, 20))
            if pages.is_short and found:
                # The next page tries to fill the gap again.
                break
            looked += len(stretch.events)
            seen, theirs = await self._visibility.visible(view, user_id, stretch.events)
            memberships.update(theirs)
            found += (await self._wanted(view, seen, definition))[: limit - len(found)]
            place = stretch.end
            if len(found) == limit and found[-1] is not stretch.events[-1]:
                place = _beyond(found[-1], backwards=backwards)
        end = TimelineToken(*place) if place is not None else None
        now = self._clock.now_ms()
        events = await self._presenter.present(found, now, reader, view.room_id, memberships, view)
        state: list[bytes] = []
        if definition.lazy_load_members:
            state = await self.members_of_senders(view, found, reader)
        return Page(events, start, end, state)

    async def reader(self, view: RoomView, user_id: UserId, device_id: DeviceId | None) -> Reader:
        """The user as a reader, who does not see what came after they left."""
        if view.is_joined(user_id):
            return Reader(user_id, device_id)
        until = await self.last_visible_position(view, user_id)
        return Reader(user_id, device_id, until=until)

    async def _wanted(
        self, view: RoomView, events: Sequence[StoredEvent], definition: CompiledRoomEventFilter
    ) -> list[StoredEvent]:
        """The events that a filter lets pass."""
        passed = [e for e in events if matches(definition, e)]
        rel_types, senders = definition.related_by_rel_types, definition.related_by_senders
        if passed and (rel_types is not None or senders is not None):
            related = await self._relations.having_related(
                view.nid,
                [e.event.event_id for e in passed],
                rel_types=list(rel_types) if rel_types is not None else None,
                senders=list(senders) if senders is not None else None,
            )
            passed = [e for e in passed if e.event.event_id in related]
        return passed

    def _pages(self, view: RoomView, *, stop: Order | None, backwards: bool) -> TimelinePages:
        return TimelinePages(
            view, self._events.store, self._backfiller, stop=stop, backwards=backwards
        )

    async def event(
        self, view: RoomView, user_id: UserId, event_id: EventId
    ) -> tuple[StoredEvent, dict[int, str]]:
        """One event of a room, if the user may see it; else NotFound."""
        stored = next((e for e in view.tail if e.event.event_id == event_id), None)
        if stored is None:
            stored = (await self._events.fetch_ids([event_id])).get(event_id)
        if stored is None or stored.room_nid != view.nid:
            raise NotFound("Event not found")
        if stored.standing is not Standing.ACCEPTED:
            raise NotFound("Event not found")
        seen, memberships = await self._visibility.visible(view, user_id, [stored])
        if not seen:
            raise NotFound("Event not found")
        return stored, memberships

    async def present_one(
        self,
        view: RoomView,
        user_id: UserId,
        device_id: DeviceId | None,
        event_id: EventId,
    ) -> bytes:
        """One event as the client receives it."""
        stored, memberships = await self.event(view, user_id, event_id)
        reader = await self.reader(view, user_id, device_id)
        presented = await self._presenter.present(
            [stored], self._clock.now_ms(), reader, view.room_id, memberships, view
        )
        return presented[0]

    async def context(
        self,
        view: RoomView,
        user_id: UserId,
        device_id: DeviceId | None,
        event_id: EventId,
        *,
        limit: int,
        definition: CompiledRoomEventFilter,
    ) -> Context:
        """An event and up to ``limit`` events around it. NotFound if the user may not see it."""
        stored, memberships = await self.event(view, user_id, event_id)
        half = limit // 2
        order = stored.order
        earlier = self._pages(view, stop=None, backwards=True)
        before = await earlier.read_whole((order[0], order[1] - 1), half)
        after = await self._events.store.timeline(
            view.nid, after=order, backwards=False, limit=limit - half
        )
        seen, theirs = await self._visibility.visible(view, user_id, [*before, *after])
        memberships |= theirs
        visible = [e for e in before if e in seen]
        before_shown = await self._wanted(view, visible, definition)
        visible = [e for e in after if e in seen]
        after_shown = await self._wanted(view, visible, definition)
        reader = await self.reader(view, user_id, device_id)
        shown = [stored, *before_shown, *after_shown]
        presented = await self._presenter.present(
            shown, self._clock.now_ms(), reader, view.room_id, memberships, view
        )
        last = after[-1] if after else stored
        first = before[-1] if before else stored
        state = await self.state_at(
            view,
            visible[-1].position if visible else stored.position,
            reader,
            definition=definition,
            members={e.event.sender for e in shown} if definition.lazy_load_members else None,
        )
        return Context(
            event=presented[0],
            before=presented[1 : 1 + len(before_shown)],
            after=presented[1 + len(before_shown) :],
            start=TimelineToken(first.position, first.sub - 1),
            end=TimelineToken(last.position, last.sub),
            state=state,
        )

    async def state_at(
        self,
        view: RoomView,
        position: int,
        reader: Reader,
        *,
        types: list[str] | None = None,
        members: set[UserId] | None = None,
        definition: CompiledRoomEventFilter | None = None,
    ) -> list[bytes]:
        """The room's state at a position; with ``members`` only the member events of these."""
        spans = await self._directory.store.state_at(view.nid, position, types)
        if members is not None:
            spans = [s for s in spans if s.type != MEMBER or s.state_key in members]
        events = list((await self._events.fetch(s.event_nid for s in spans)).values())
        if definition is not None:
            events = [e for e in events if matches(definition, e)]
        return await self._presenter.present(events, self._clock.now_ms(), reader, view.room_id)

    async def members_of_senders(
        self, view: RoomView, events: Sequence[StoredEvent], reader: Reader
    ) -> list[bytes]:
        """The current member events of those who sent some events."""
        senders = {e.event.sender for e in events}
        nids = [view.members[s].nid for s in senders if s in view.members]
        found = await self._events.fetch(nids)
        return await self._presenter.present(
            list(found.values()), self._clock.now_ms(), reader, view.room_id
        )

    async def last_visible_position(self, view: RoomView, user_id: UserId) -> int:
        """The newest position whose state the user may see: now, or when they left the room."""
        if view.is_joined(user_id) or _may_peek(view):
            return view.position
        left = (await self._visibility.history(view, user_id)).last_departure
        return left if left is not None and left > 0 else view.position

    async def nearest_to_time(
        self, view: RoomView, user_id: UserId, ts: int, *, backwards: bool
    ) -> StoredEvent:
        """The event nearest to a time, if the user may see it; else NotFound."""
        for limit in (1, LOOKED_THROUGH):
            found = await self._events.store.nearest_to_time(
                view.nid, ts, backwards=backwards, limit=limit
            )
            seen, _ = await self._visibility.visible(view, user_id, found)
            if seen:
                return seen[0]
        raise NotFound("There is no event in this direction")


def _may_peek(view: RoomView) -> bool:
    """Whether everyone may see the room as it is."""
    event = view.state.get(VISIBILITY)
    return may_peek_at_event(parse_history_visibility(event.event.content if event else None))


def matches(definition: CompiledRoomEventFilter, stored: StoredEvent) -> bool:
    """Whether a filter lets an event pass."""
    if definition.is_pass_all:
        return True
    event = stored.event
    if not definition.matches_room(event.room_id):
        return False
    has_url = definition.contains_url is not None and isinstance(event.content.get("url"), str)
    return definition.matches(event.type, event.sender, has_url=has_url)


def _beyond(event: StoredEvent, *, backwards: bool) -> Order:
    """The place just past an event in the direction of reading."""
    return (event.position, event.sub - 1 if backwards else event.sub)
