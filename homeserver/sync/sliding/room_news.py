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
from homeserver.ports.rooms.rooms import Order, UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import MEMBER, NOWHERE, RoomView
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.lazy_members import members_at
from homeserver.sync.parts import by_place
from homeserver.sync.room_summary import heroes
from homeserver.sync.session import Session
from homeserver.sync.sliding.bump_stamps import bumps
from homeserver.sync.sliding.required_state import RequiredState
from homeserver.sync.sliding.room_configs import LARGEST_TIMELINE, RoomConfig

NAME: StateKey = ("m.room.name", "")
AVATAR: StateKey = ("m.room.avatar", "")

_REDACTION = "m.room.redaction"


@attrs.frozen(slots=True)
class Telling:
    """A room that is to be told of.

    ``since`` is the position up to which the client knows it by the config ``known``, both None
    when it is told from scratch; ``until`` is where the answer ends. ``held`` is the place from
    which on the client has every event, and ``knows_members`` are those it was sent because they
    are loaded lazily.
    """

    session: Session
    room: UserRoom
    view: RoomView
    config: RoomConfig
    since: int | None
    until: int
    known: RoomConfig | None = None
    held: Order | None = None
    knows_members: Collection[UserId] = frozenset()

    @property
    def is_initial(self) -> bool:
        """Whether it is told from scratch."""
        return self.since is None


@attrs.frozen(slots=True)
class RoomNews:
    """What there is to tell.

    ``changed`` are the places of the state that changed, whatever is required of them; ``members``
    were lazily loaded; ``memberships`` are the reader's where they were not joined. ``held`` is
    where the client's unbroken timeline begins, if that is somewhere else than before.
    """

    events: list[StoredEvent]
    state: list[StoredEvent]
    limited: bool
    before: TimelineToken
    changed: Collection[StateKey] = ()
    members: tuple[UserId, ...] = ()
    memberships: Mapping[int, str] = {}
    held: Order | None = None
    is_expanded: bool = False
    bumps: bool = False
    is_empty: bool = False


@attrs.frozen(slots=True)
class _Timeline:
    events: list[StoredEvent]
    memberships: Mapping[int, str]
    limited: bool


class RoomNewsReader:
    """Finds out what there is to tell of rooms; for those in memory without asking the database."""

    def __init__(self, directory: RoomDirectory, visibility: Visibility) -> None:
        self._store = directory.store
        self._events = directory.events
        self._visibility = visibility

    async def whole(self, telling: Telling) -> RoomNews:
        """The newest of a room, and all the state that is required."""
        timeline = await self._newest(telling)
        required = telling.config.required_state
        places = list(required.places(telling.view.state, telling.view.members))
        members = _lazy(telling, timeline.events, frozenset())
        state = await self._current(telling, [*places, *((MEMBER, u) for u in members)])
        return RoomNews(
            events=timeline.events,
            state=state,
            limited=timeline.limited,
            before=_before(timeline.events, telling.until),
            members=members,
            memberships=timeline.memberships,
            held=_held(timeline),
            bumps=True,
        )

    async def changes(self, telling: Telling) -> RoomNews:
        """What came in a room, and what is required beyond what was before."""
        assert telling.since is not None
        news, is_whole = await self._after(telling)
        if is_whole:
            changed: Collection[StateKey] = by_place(news).keys()
        else:
            spans = await self._store.state_changes(telling.view.nid, telling.since, telling.until)
            changed = {(s.type, s.state_key) for s in spans}
        is_expanded = _wants_more(telling)
        timeline = (
            await self._newest(telling)
            if is_expanded
            else await self._shown(telling, news, is_whole)
        )
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
        if timeline.limited or is_expanded:
            before = _before(timeline.events, telling.until)
        return RoomNews(
            events=timeline.events,
            state=state,
            limited=timeline.limited,
            before=before,
            changed=changed,
            members=members,
            memberships=timeline.memberships,
            held=_held(timeline) if timeline.limited or is_expanded else None,
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
            timeline = await self._newest(telling)
            spans = await self._store.state_at(telling.view.nid, left)
        else:
            news, is_whole = await self._after(telling)
            timeline = await self._shown(telling, news, is_whole)
            spans = await self._store.state_changes(telling.view.nid, telling.since, left)
        senders = {e.event.sender for e in timeline.events} if required.lazy else set()
        wanted = [
            s.event_nid
            for s in spans
            if required.matches(s.type, s.state_key)
            or (s.type == MEMBER and s.state_key in senders)
            or (s.type, s.state_key) in (NAME, AVATAR)
        ]
        events, memberships = timeline.events, dict(timeline.memberships)
        if telling.room.position > left:
            own = await self._events.fetch([telling.room.event_nid])
            events = [*events, *own.values()]
            memberships.update(dict.fromkeys(own, telling.room.membership))
        return RoomNews(
            events=events,
            state=list((await self._events.fetch(wanted)).values()),
            limited=timeline.limited,
            before=_before(events, telling.room.position),
            changed=[(s.type, s.state_key) for s in spans],
            memberships=memberships,
        )

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
            shown = _last(list(view.tail), config.timeline_limit)
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

    async def _after(self, telling: Telling) -> tuple[list[StoredEvent], bool]:
        """The newest events after what the client knows, oldest first, and whether these are
        all."""
        assert telling.since is not None
        view, until = telling.view, telling.until
        news = view.after((telling.since, 0))
        if news is not None:
            return (news if view.position <= until else _until(news, until)), True
        limit = LARGEST_TIMELINE
        news = await self._events.store.timeline(
            view.nid, after=(telling.since, 0), until=(until, 0), backwards=True, limit=limit + 1
        )
        news.reverse()
        return news[-limit:], len(news) <= limit

    async def _shown(self, telling: Telling, news: list[StoredEvent], is_whole: bool) -> _Timeline:
        found = _not_ignored(telling.session, news)
        shown = _last(found, telling.config.timeline_limit)
        limited = not is_whole or len(shown) < len(found)
        seen, memberships = await self._visible(telling, shown)
        return _Timeline(seen, memberships, limited)

    async def _newest(self, telling: Telling) -> _Timeline:
        """The newest events of a room, as many as are wanted."""
        view, limit = telling.view, telling.config.timeline_limit
        newest, reaches = _until(view.tail, telling.until), view.tail_after
        found = _not_ignored(telling.session, newest)
        if len(found) < limit and reaches > NOWHERE:
            most = 2 * LARGEST_TIMELINE
            newest = await self._events.store.timeline(
                view.nid, until=(telling.until, 0), backwards=True, limit=most
            )
            newest.reverse()
            reaches = newest[0].order if len(newest) == most else NOWHERE
            found = _not_ignored(telling.session, newest)
        shown = _last(found, limit)
        limited = reaches > NOWHERE or len(shown) < len(found)
        seen, memberships = await self._visible(telling, shown)
        return _Timeline(seen, memberships, limited)

    async def _visible(
        self, telling: Telling, events: Sequence[StoredEvent]
    ) -> tuple[list[StoredEvent], Mapping[int, str]]:
        return await self._visibility.visible(telling.view, telling.session.user_id, events)

    def _introduced(self, telling: Telling, timeline: _Timeline) -> list[StoredEvent]:
        """The events whose senders must be known; also the last ones that the client has already
        when it had not asked for members before."""
        assert telling.known is not None
        if telling.known.required_state.lazy or telling.known.required_state.includes_all_members:
            return timeline.events
        return _last(_until(telling.view.tail, telling.until), telling.config.timeline_limit)

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


def _wants_more(telling: Telling) -> bool:
    """Whether more of the timeline is wanted than the client has."""
    assert telling.known is not None
    limit = telling.config.timeline_limit
    if limit <= telling.known.timeline_limit:
        return False
    held = telling.held
    if held is None:
        return True
    return held != NOWHERE and sum(e.order >= held for e in telling.view.tail) < limit


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


def _not_ignored(session: Session, events: list[StoredEvent]) -> list[StoredEvent]:
    if not session.ignored:
        return events
    return [
        e for e in events if e.event.sender not in session.ignored or e.event.state_key is not None
    ]


def _until(events: Iterable[StoredEvent], position: int) -> list[StoredEvent]:
    return [e for e in events if e.position <= position]


def _last(events: list[StoredEvent], limit: int) -> list[StoredEvent]:
    return events[-limit:] if limit else []


def _before(events: Sequence[StoredEvent], otherwise: int) -> TimelineToken:
    if not events:
        return TimelineToken(otherwise)
    return TimelineToken(events[0].position, events[0].sub - 1)


def _held(timeline: _Timeline) -> Order | None:
    if not timeline.limited:
        return NOWHERE
    return timeline.events[0].order if timeline.events else None
