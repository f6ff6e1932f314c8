"""What of a room goes into an answer: which events of its timeline, and which of its state.

MSC4186, "Room results", "Changing room configs", "Lazy loaded memberships".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.room_activity import RoomActivityStore
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import MEMBER
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.lazy_members import members_at
from homeserver.sync.parts import by_place
from homeserver.sync.room_summary import heroes
from homeserver.sync.sliding.bump_stamps import bumps
from homeserver.sync.sliding.required_state import RequiredState
from homeserver.sync.sliding.room_timelines import (
    RoomTimelines,
    ShownTimeline,
    events_until,
    last_of,
    wants_more,
)
from homeserver.sync.sliding.telling import Telling

NAME: StateKey = ("m.room.name", "")
AVATAR: StateKey = ("m.room.avatar", "")

_REDACTION = "m.room.redaction"


@attrs.frozen(slots=True)
class RoomNews:
    """What there is to tell.

    ``changed`` are the places of the state that changed, whatever is required of them, ``emptied``
    those that are required and that nothing holds any more; ``members`` were lazily loaded;
    ``memberships`` are the reader's where they were not joined. ``held`` is where the client's
    unbroken timeline begins, if that is somewhere else than before.
    """

    events: list[StoredEvent]
    state: list[StoredEvent]
    limited: bool
    before: TimelineToken
    changed: Collection[StateKey] = ()
    emptied: Collection[StateKey] = ()
    members: tuple[UserId, ...] = ()
    memberships: Mapping[int, str] = {}
    held: Order | None = None
    is_expanded: bool = False
    bumps: bool = False
    is_empty: bool = False


class RoomNewsReader:
    """Finds out what there is to tell of rooms; for those in memory without asking the database."""

    def __init__(
        self, directory: RoomDirectory, activity: RoomActivityStore, visibility: Visibility
    ) -> None:
        self._store = directory.store
        self._activity = activity
        self._events = directory.events
        self._visibility = visibility
        self._timelines = RoomTimelines(directory.events, visibility)

    async def whole(self, telling: Telling) -> RoomNews:
        """The newest of a room, and all the state that is required."""
        timeline = await self._timelines.newest(telling)
        required = telling.config.required_state
        places = list(required.places(telling.view.state, telling.view.members))
        members = _lazy(telling, timeline.events, frozenset())
        state = await self._current(telling, [*places, *((MEMBER, u) for u in members)])
        return RoomNews(
            events=timeline.events,
            state=state,
            limited=timeline.limited,
            before=timeline.begins(telling.until),
            members=members,
            memberships=timeline.memberships,
            held=timeline.held(telling.until),
            bumps=True,
        )

    async def changes(self, telling: Telling) -> RoomNews:
        """What came in a room, and what is required beyond what was before."""
        assert telling.since is not None
        news, is_whole = await self._timelines.after(telling)
        changed, emptied = await self._changed(telling, news if is_whole else None)
        is_wanting = wants_more(telling)
        timeline = (
            await self._timelines.newest(telling)
            if is_wanting
            else await self._timelines.shown(telling, news, is_whole)
        )
        is_expanded = is_wanting and any(e.position <= telling.since for e in timeline.events)
        has_gap = timeline.limited and not is_expanded
        required = telling.config.required_state
        places = dict.fromkeys(key for key in changed if required.matches(*key))
        places.update(dict.fromkeys(_widened(telling, required)))
        members: tuple[UserId, ...] = ()
        if required.lazy:
            if not has_gap:
                places.update(dict.fromkeys(key for key in changed if key[0] == MEMBER))
            known = frozenset() if has_gap else telling.knows_members
            members = _lazy(telling, self._introduced(telling, timeline), known)
            places.update(((MEMBER, u), None) for u in members)
        state = await self._current(telling, places)
        before = TimelineToken(telling.since)
        if timeline.limited or is_wanting:
            before = timeline.begins(telling.until)
        return RoomNews(
            events=timeline.events,
            state=state,
            limited=timeline.limited,
            before=before,
            changed=changed,
            emptied=[key for key in emptied if required.matches(*key)],
            members=members,
            memberships=timeline.memberships,
            held=timeline.held(telling.until) if timeline.limited or is_wanting else None,
            is_expanded=is_expanded,
            bumps=not is_whole or any(bumps(e) or e.event.type == _REDACTION for e in news),
            is_empty=not (timeline.events or state or timeline.limited or changed),
        )

    async def departed(self, telling: Telling, left: int) -> RoomNews:
        """What a user who is out of a room saw of it up to the position at which they left, and how
        they stand now."""
        telling = attrs.evolve(telling, until=left)
        required = telling.config.required_state
        if telling.since is None:
            timeline = await self._timelines.newest(telling)
            spans = await self._store.state_at(telling.view.nid, left)
        else:
            news, is_whole = await self._timelines.after(telling)
            timeline = await self._timelines.shown(telling, news, is_whole)
            spans = await self._store.state_changes(telling.view.nid, telling.since, left)
        senders = {e.event.sender for e in timeline.events} if required.lazy else set()
        wanted = [
            s.event_nid
            for s in spans
            if required.matches(s.type, s.state_key)
            or (s.type == MEMBER and s.state_key in senders)
            or (s.type, s.state_key) in (NAME, AVATAR)
        ]
        state = by_place((await self._events.fetch(wanted)).values())
        events, memberships = timeline.events, dict(timeline.memberships)
        if telling.room.position > left:
            # They have been invited since, or knocked, or were banned.
            for own in (await self._events.fetch([telling.room.event_nid])).values():
                events = [*events, own]
                memberships[own.nid] = telling.room.membership
                if required.matches(*own.event.state_map_key()):
                    state[own.event.state_map_key()] = own
        return RoomNews(
            events=events,
            state=list(state.values()),
            limited=timeline.limited,
            before=timeline.begins(left),
            changed=[(s.type, s.state_key) for s in spans],
            memberships=memberships,
        )

    async def _changed(
        self, telling: Telling, news: list[StoredEvent] | None
    ) -> tuple[Collection[StateKey], list[StateKey]]:
        """The places of the state that changed, and of these the ones that nothing holds any more;
        ``news`` is all that came, if that is known."""
        view, since, until = telling.view, telling.since, telling.until
        assert since is not None
        is_resolved = view.resolved_position > since
        if news is not None and not is_resolved:
            return by_place(news).keys(), []
        spans = await self._store.state_changes(view.nid, since, until)
        emptied: list[StateKey] = []
        if is_resolved:
            emptied = await self._activity.emptied_places(view.nid, since, until)
        return {*((s.type, s.state_key) for s in spans), *emptied}, emptied

    async def left_at(self, telling: Telling) -> int | None:
        """The position at which a user who is out of a room was in it last; None for never."""
        if not telling.room.joined_position:
            return None
        history = await self._visibility.history(telling.view, telling.session.user_id)
        left = history.last_departure
        return left if left is not None and left > 0 else telling.room.position

    async def prefetch(self, tellings: Sequence[Telling]) -> None:
        """Bring what many rooms take that are told from scratch into memory, in one query."""
        nids: set[int] = set()
        for telling in tellings:
            view, config = telling.view, telling.config
            shown = last_of(list(view.tail), config.timeline_limit)
            nids.update(e.replaces_nid for e in shown if e.replaces_nid is not None)
            users: set[str] = set()
            for type, state_key in config.required_state.places({}, view.members):
                if type == MEMBER:
                    users.add(state_key)
            if config.required_state.lazy:
                users.update(e.event.sender for e in shown)
            if not view.content(*NAME).get("name"):
                users.update(heroes(view, telling.session.user_id))
            nids.update(view.members[UserId(u)].nid for u in users if UserId(u) in view.members)
        await self._events.fetch(nids)

    def _introduced(self, telling: Telling, timeline: ShownTimeline) -> list[StoredEvent]:
        """The events whose senders must be known; also the last ones that the client has already
        when it had not asked for members before."""
        assert telling.known is not None
        if telling.known.required_state.lazy or telling.known.required_state.includes_all_members:
            return timeline.events
        return last_of(
            events_until(telling.view.tail, telling.until), telling.config.timeline_limit
        )

    async def _current(self, telling: Telling, places: Iterable[StateKey]) -> list[StoredEvent]:
        """The events that hold some places at the end of the answer."""
        view = telling.view
        found: list[StoredEvent] = []
        members: dict[UserId, None] = {}
        for key in places:
            if key[0] == MEMBER:
                members[UserId(key[1])] = None
            elif (stored := view.state.get(key)) is not None:
                found.append(stored)
        if members:
            found += await members_at(view, self._store, self._events, members, telling.until)
        return found


def _widened(telling: Telling, required: RequiredState) -> list[StateKey]:
    """The places that are required now and were not before."""
    assert telling.known is not None
    before = telling.known.required_state
    if not required.asks_beyond(before):
        return []
    view = telling.view
    return [key for key in required.places(view.state, view.members) if not before.matches(*key)]


def _lazy(
    telling: Telling, events: Iterable[StoredEvent], known: Collection[UserId]
) -> tuple[UserId, ...]:
    """Those who sent some events or are the subject of their member events, and are not known."""
    if not telling.config.required_state.lazy:
        return ()
    users: dict[UserId, None] = {}
    for stored in events:
        users[stored.event.sender] = None
        if stored.event.type == MEMBER and stored.event.state_key is not None:
            users[UserId(stored.event.state_key)] = None
    return tuple(user for user in users if user not in known)
