"""A room's part of a sync.

Most of it is the same for all who wait with the same window and an equal filter: that core is built
once and shared. A small tail (unread counts, account data, summary) is the reader's own. What makes
even the core personal (the reader's own transaction id, ignored users, private receipts) is built
for that reader alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.events import StoredEvent
from homeserver.ports.receipts import ReceiptRow
from homeserver.ports.rooms import Order, UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import ALONE, EVERYONE, Presenter, Surroundings, event_json
from homeserver.rooms.view import MEMBER, NOWHERE, RoomView
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.ephemeral import ephemeral_events
from homeserver.sync.lazy_members import lazy_members, member_in_memory, members_at
from homeserver.sync.room_summary import heroes, needs_heroes
from homeserver.sync.timelines import (
    changes_summary,
    is_membership_of,
    joined_json,
    passes,
    shaped,
    timeline_json,
    wanted,
)
from homeserver.sync.windows import LARGEST_LIMIT, Core, SyncOptions, Window

_SUBS = 2**31
"""Above every place within a position."""


@attrs.frozen(slots=True)
class _Part:
    """What of a room goes into a core."""

    events: list[StoredEvent]
    memberships: Mapping[int, str]
    state: list[StoredEvent]
    limited: bool
    before: TimelineToken
    summary_changed: bool
    members: tuple[UserId, ...]


class RoomFragments:
    """Builds the cores of rooms."""

    def __init__(
        self, directory: RoomDirectory, presenter: Presenter, visibility: Visibility, clock: Clock
    ) -> None:
        self._store = directory.store
        self._events = directory.events
        self._presenter = presenter
        self._visibility = visibility
        self._clock = clock

    # --- what came after a token

    def ready(self, room: RoomView, window: Window) -> Core | None:
        """The core of what came since, if memory has all that it takes."""
        assert window.since is not None
        if window.departure is not None:
            return None
        news = room.after((window.since, 0))
        if news is None:
            return None
        if window.until < room.position:
            news = [e for e in news if e.position <= window.until]
        events = wanted(room, news, window)
        user_id = window.session.user_id
        if len(events) > window.options.limit or any(is_membership_of(e, user_id) for e in news):
            return None
        summary_changed = changes_summary(news)
        members = lazy_members(room, window, events, with_heroes=summary_changed)
        receipts = room.receipts_after(window.since)
        key = None
        if not _is_personal(events, receipts, window):
            key = (
                news[0].nid if news else 0,
                window.since < room.typing_position,
                receipts[0].position if receipts else 0,
                min(window.until, room.position),
                window.options.filter.room.fingerprint,
                window.options.use_state_after,
                members,
            )
            shared = room.fragments.get(key)
            if isinstance(shared, Core):
                return shared
        around = _around_in_memory(room, events)
        state = self._state_in_memory(room, window, news, events, members)
        if around is None or state is None:
            return None
        now = self._clock.now_ms()
        options = window.options
        ephemeral = ephemeral_events(room, window, receipts)
        reader = EVERYONE if key is not None else window.reader
        body = joined_json(
            options,
            timeline=timeline_json(events, around, {}, reader, options, now),
            limited=False,
            prev_batch=TimelineToken(window.since),
            state=[shaped(e, event_json(e, now, membership=None), options) for e in state],
            ephemeral=ephemeral,
        )
        core = Core(
            body,
            is_empty=not (events or state or ephemeral or summary_changed),
            summary_changed=summary_changed,
            members=members,
        )
        if key is not None:
            room.fragments[key] = core
        return core

    def _state_in_memory(
        self,
        room: RoomView,
        window: Window,
        news: list[StoredEvent],
        events: list[StoredEvent],
        members: Collection[UserId],
    ) -> list[StoredEvent] | None:
        """The state that goes along with a timeline that is complete; None when memory has not all
        of it."""
        after = window.options.use_state_after
        state: dict[StateKey, StoredEvent] = {}
        if after or events is not news:
            shown = () if after else {e.nid for e in events}
            state = _by_place(e for e in news if e.nid not in shown)
        for user_id in members:
            if (MEMBER, user_id) in state:
                continue
            stored, is_known = member_in_memory(
                room, self._events, user_id, None if after else window.since
            )
            if not is_known:
                return None
            if stored is not None:
                state[MEMBER, user_id] = stored
        if any(e.redacted_by is not None for e in state.values()):
            return None
        return [e for e in state.values() if passes(window.options.filter.room.state, e)]

    async def since(self, room: RoomView, window: Window) -> Core:
        """The core of what came since, with whatever must be read for it."""
        found = self.ready(room, window)
        if found is not None:
            return found
        assert window.since is not None
        news, is_whole = await self._news(room, window)
        events = wanted(room, news, window)
        limit = window.options.limit
        limited = len(events) > limit or not is_whole
        seen, memberships = await self._seen(room, window, events[-limit:])
        end = window.since
        if limited:
            end = seen[0].position - 1 if seen else window.until
        summary_changed = limited or changes_summary(news)
        members = lazy_members(room, window, seen, with_heroes=summary_changed)
        state = await self._state_changes(room, window, news, events, end)
        if window.options.use_state_after:
            end = window.until
        absent = [user for user in members if (MEMBER, user) not in state]
        for event in await members_at(room, self._store, self._events, absent, end):
            state[event.event.state_map_key()] = event
        before = TimelineToken(window.since)
        if limited and seen:
            before = TimelineToken(seen[0].position, seen[0].sub - 1)
        return await self._core(
            room,
            window,
            _Part(
                seen,
                memberships,
                list(state.values()),
                limited,
                before,
                summary_changed,
                members,
            ),
        )

    async def _news(self, room: RoomView, window: Window) -> tuple[list[StoredEvent], bool]:
        """The newest events of a window, oldest first, and whether these are all."""
        assert window.since is not None
        news = room.after((window.since, 0))
        if news is not None:
            return [e for e in news if e.position <= window.until], True
        news = await self._events.store.timeline(
            room.nid,
            after=(window.since, 0),
            until=(window.until, 0),
            backwards=True,
            limit=LARGEST_LIMIT + 1,
        )
        news.reverse()
        return news, len(news) <= LARGEST_LIMIT

    async def _state_changes(
        self,
        room: RoomView,
        window: Window,
        news: list[StoredEvent],
        events: list[StoredEvent],
        end: int,
    ) -> dict[StateKey, StoredEvent]:
        """The state that changed until the timeline begins (``end``), or within the whole window
        for ``state_after``; and what changed later and the filter keeps out of the timeline."""
        assert window.since is not None
        after = window.options.use_state_after
        until = window.until if after else end
        state: dict[StateKey, StoredEvent] = {}
        if until > window.since:
            spans = await self._store.state_changes(room.nid, window.since, until)
            state = _by_place((await self._events.fetch(s.event_nid for s in spans)).values())
        if not after and events is not news:
            shown = {e.nid for e in events}
            state |= _by_place(e for e in news if e.position > end and e.nid not in shown)
        return state

    async def _seen(
        self, room: RoomView, window: Window, events: Sequence[StoredEvent]
    ) -> tuple[list[StoredEvent], dict[int, str]]:
        """What the reader may see of some events, and by number their membership where not join."""
        user_id = window.session.user_id
        seen, memberships = await self._visibility.visible(room, user_id, events)
        if window.departure is not None:
            for event in (await self._events.fetch([window.departure])).values():
                seen.append(event)
                memberships[event.nid] = str(event.event.content.get("membership", "leave"))
        return seen, memberships

    # --- from scratch

    async def prefetch(
        self, rooms: Iterable[RoomView], user_id: UserId, options: SyncOptions
    ) -> None:
        """Bring into memory, in one query, what sending many rooms from scratch takes."""
        nids: set[int] = set()
        for room in rooms:
            shown = list(room.tail)[-options.limit :]
            nids.update(e.replaces_nid for e in shown if e.replaces_nid is not None)
            if not options.lazy:
                nids.update(member.nid for member in room.members.values())
                continue
            users = {e.event.sender for e in shown} | {user_id}
            if needs_heroes(room):
                users.update(heroes(room, user_id))
            nids.update(room.members[user].nid for user in users if user in room.members)
        await self._events.fetch(nids)

    async def full(self, room: RoomView, window: Window, *, known_until: int | None = None) -> Core:
        """The core of a room as it is at the end of the window: newest timeline, whole state.

        ``window.since`` is None. ``known_until``: everything up to there is known to the reader
        (full_state=true).
        """
        limit = window.options.limit
        floor: Order = (known_until, 0) if known_until is not None else NOWHERE
        newest, reaches = await self._newest(room, window, floor)
        found = [e for e in wanted(room, newest, window) if e.order > floor]
        limited = len(found) > limit or reaches > floor
        if window.options.filter.room.timeline.is_pass_none:
            limited = False
        seen, memberships = await self._seen(room, window, found[-limit:])
        members = lazy_members(room, window, seen, with_heroes=True)
        first = seen[0] if seen else None
        places = await self._state_places(
            room, window, first, set(members) if window.options.lazy else None
        )
        state, missing = [], []
        for key, nid in places.items():
            held = room.state.get(key)
            if held is not None and held.nid == nid:
                state.append(held)
            else:
                missing.append(nid)
        state += (await self._events.fetch(missing)).values()
        before = TimelineToken(window.until)
        if first is not None:
            before = TimelineToken(first.position, first.sub - 1)
        return await self._core(
            room, window, _Part(seen, memberships, state, limited, before, True, members)
        )

    async def _newest(
        self, room: RoomView, window: Window, floor: Order
    ) -> tuple[list[StoredEvent], Order]:
        """The newest events up to the window's end, enough for its limit if there are as many,
        oldest first; and the place after which these are all."""
        newest = [e for e in room.tail if e.position <= window.until]
        reaches = room.tail_after
        if (
            reaches <= floor
            or window.options.filter.room.timeline.is_pass_none
            or len(wanted(room, newest, window)) >= window.options.limit
        ):
            return newest, reaches
        newest = await self._events.store.timeline(
            room.nid, until=(window.until, 0), backwards=True, limit=LARGEST_LIMIT + 1
        )
        newest.reverse()
        if len(newest) <= LARGEST_LIMIT:
            return newest, NOWHERE
        return newest[1:], newest[0].order

    async def _state_places(
        self,
        room: RoomView,
        window: Window,
        first: StoredEvent | None,
        members: Collection[UserId] | None,
    ) -> dict[StateKey, int]:
        """By place: the number of the event that held it before the timeline began with ``first``,
        or at its end for ``state_after``. Of members only those in ``members``, if given."""
        # The state is wanted as it was before everything from this place on.
        beginning: Order = (window.until, _SUBS)
        position = window.until
        if first is not None and not window.options.use_state_after and first.order < beginning:
            beginning = first.order
            position = first.position - 1
        if beginning <= room.tail_after:
            spans = await self._store.state_at(room.nid, position)
            return {
                (s.type, s.state_key): s.event_nid
                for s in spans
                if members is None or s.type != MEMBER or UserId(s.state_key) in members
            }
        places: dict[StateKey, int] = {key: event.nid for key, event in room.state.items()}
        for user_id in room.members if members is None else members:
            member = room.members.get(user_id)
            if member is not None:
                places[MEMBER, user_id] = member.nid
        for event in reversed(room.tail):
            if event.order < beginning:
                break
            if event.event.state_key is None:
                continue
            key = event.event.state_map_key()
            if key[0] == MEMBER and members is not None and UserId(key[1]) not in members:
                continue
            if event.replaces_nid is None:
                places.pop(key, None)
            else:
                places[key] = event.replaces_nid
        return places

    async def own_membership(self, room: RoomView, window: Window, user_room: UserRoom) -> Core:
        """The core of a room of which the reader is to see nothing but their membership."""
        own = list((await self._events.fetch([user_room.event_nid])).values())
        memberships = dict.fromkeys((e.nid for e in own), user_room.membership)
        now = self._clock.now_ms()
        body = joined_json(
            window.options,
            timeline=timeline_json(own, {}, memberships, EVERYONE, window.options, now),
            limited=False,
            prev_batch=TimelineToken(user_room.position),
            state=[],
            ephemeral=[],
        )
        return Core(body, is_empty=False, summary_changed=False)

    # --- putting together

    async def _core(self, room: RoomView, window: Window, part: _Part) -> Core:
        around = await self._presenter.surroundings(part.events, window.reader, room)
        options = window.options
        state = [e for e in part.state if passes(options.filter.room.state, e)]
        redacted = [e for e in state if e.redacted_by is not None]
        why = await self._presenter.surroundings(redacted, window.reader)
        now = self._clock.now_ms()
        ephemeral: list[bytes] = []
        if room.is_joined(window.session.user_id):
            receipts = room.receipts_after(window.since if window.since is not None else -1)
            ephemeral = ephemeral_events(room, window, receipts)
        body = joined_json(
            options,
            timeline=timeline_json(
                part.events, around, part.memberships, window.reader, options, now
            ),
            limited=part.limited,
            prev_batch=part.before,
            state=[
                shaped(
                    e, event_json(e, now, EVERYONE, why.get(e.nid, ALONE), membership=None), options
                )
                for e in state
            ],
            ephemeral=ephemeral,
        )
        return Core(
            body,
            is_empty=not (
                part.events or state or ephemeral or part.limited or part.summary_changed
            ),
            summary_changed=part.summary_changed,
            members=part.members,
        )


def _is_personal(
    events: Sequence[StoredEvent], receipts: Sequence[ReceiptRow], window: Window
) -> bool:
    """Whether this reader's core differs from that of others with an equal filter."""
    session = window.session
    if session.ignored or window.options.is_shaped:
        return True
    user_id, device_id = session.user_id, window.device_id
    if any(
        e.txn_id is not None and e.device_id == device_id and e.event.sender == user_id
        for e in events
    ):
        return True
    return any(r.receipt_type == "m.read.private" and r.user_id == user_id for r in receipts)


def _around_in_memory(
    room: RoomView, events: Iterable[StoredEvent]
) -> dict[int, Surroundings] | None:
    """What belongs beside some events; None when that must be read."""
    around = {}
    for stored in events:
        if stored.redacted_by is not None or stored.event.event_id in room.related:
            return None
        if stored.replaces_nid is not None:
            previous = room.previous.get(stored.nid)
            if previous is None:
                return None
            around[stored.nid] = Surroundings(previous)
    return around


def _by_place(events: Iterable[StoredEvent]) -> dict[StateKey, StoredEvent]:
    """The last of the state events for each place."""
    return {e.event.state_map_key(): e for e in events if e.event.state_key is not None}
