"""What came in a room since a token: its part of an incremental sync.

Most of it is the same for all who wait with the same window and an equal filter: that core is built
once and shared. A small tail (unread counts, account data, summary) is the reader's own. What makes
even the core personal (the reader's own transaction id, ignored users, private receipts) is built
for that reader alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.receipts import ReceiptRow
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import EVERYONE, Surroundings, event_json
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.sync.ephemeral import ephemeral_events
from homeserver.sync.lazy_members import lazy_members, member_in_memory, members_at
from homeserver.sync.parts import Part, PartWriter, by_place, not_overtaken, not_refuted
from homeserver.sync.relation_filter import RelationFilter
from homeserver.sync.timelines import (
    changes_summary,
    gap_before,
    is_membership_of,
    joined_json,
    shaped,
    timeline_json,
    wanted,
    wanted_state,
)
from homeserver.sync.windows import LARGEST_LIMIT, Core, Window


class RoomFragments:
    """Builds the cores of rooms whose windows have a ``since``."""

    def __init__(
        self,
        directory: RoomDirectory,
        writer: PartWriter,
        clock: Clock,
        relations: RelationFilter,
    ) -> None:
        self._store = directory.store
        self._events = directory.events
        self._writer = writer
        self._clock = clock
        self._relations = relations

    async def knowing_relations(
        self, rooms: Sequence[tuple[RoomView, Window]]
    ) -> dict[int, Window]:
        """The windows of one reader, by room, with whatever the filter must know of what relates
        to the news that are in memory; in one query."""
        windows = {room.nid: window for room, window in rooms}
        news = [
            (room, window, events)
            for room, window in rooms
            if window.options.asks_relations and (events := _in_memory(room, window)) is not None
        ]
        looked_up = await self._relations.look_up(news)
        windows.update((room.nid, w) for (room, _, _), w in zip(news, looked_up, strict=True))
        return windows

    def ready(self, room: RoomView, window: Window) -> Core | None:
        """The core of what came since, if memory has all that it takes."""
        assert window.since is not None
        if window.departure is not None:
            return None
        if window.since < max(room.resolved_position, room.gap_position):
            return None
        if window.options.asks_relations and window.related is None:
            return None
        news = _in_memory(room, window)
        if news is None:
            return None
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
                receipts[-1].position if receipts else 0,  # the first that moved
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
        state = by_place(news) if after else _passed_over(window, news, events)
        if state and not after and not_overtaken(events, state) is not events:
            return None
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
        return wanted_state(room, state.values(), window.options)

    async def since(self, room: RoomView, window: Window) -> Core:
        """The core of what came since, with whatever must be read for it."""
        found = self.ready(room, window)
        if found is not None:
            return found
        since = window.since
        assert since is not None
        news, is_whole = await self._news(room, window)
        if window.related is None:
            (window,) = await self._relations.look_up([(room, window, news)])
        events = wanted(room, news, window)
        limit = window.options.limit
        limited = len(events) > limit or not is_whole
        seen, memberships = await self._writer.seen(room, window, events[-limit:])
        passed_over = _passed_over(window, news, events)
        shown = not_overtaken(seen, passed_over)
        is_resolved = room.resolved_position > since and not window.options.use_state_after
        if is_resolved:
            shown = not_refuted(room, shown)
        limited = limited or len(shown) < len(seen)
        seen = shown
        end = since
        if limited:
            end = seen[0].position - 1 if seen else window.until
        summary_changed = limited or is_resolved or changes_summary(news)
        members = lazy_members(room, window, seen, with_heroes=summary_changed)
        if window.options.use_state_after:
            state = await self._state_changes(room, window, window.until)
            end = window.until
        else:
            state = await self._state_changes(room, window, end)
            state |= {key: e for key, e in passed_over.items() if e.position > end}
        if is_resolved:
            in_timeline = {e.nid for e in seen}
            changes = await self._state_changes(room, window, window.until)
            state |= {key: e for key, e in changes.items() if e.nid not in in_timeline}
        absent = [user for user in members if (MEMBER, user) not in state]
        for event in await members_at(room, self._store, self._events, absent, end):
            state[event.event.state_map_key()] = event
        before = TimelineToken(since)
        if limited and seen:
            before = TimelineToken(seen[0].position, seen[0].sub - 1)
        part = Part(
            room,
            window,
            seen,
            memberships,
            list(state.values()),
            limited,
            before,
            summary_changed,
            members,
        )
        return (await self._writer.write([part]))[0]

    async def _news(self, room: RoomView, window: Window) -> tuple[list[StoredEvent], bool]:
        """The newest events of a window, oldest first, and whether these are all."""
        assert window.since is not None
        news, is_whole = await self._since_a_place(room, window)
        gap = gap_before(room, window.until)
        if gap < (window.since, 0):
            return news, is_whole
        return [e for e in news if e.order > gap], False

    async def _since_a_place(
        self, room: RoomView, window: Window
    ) -> tuple[list[StoredEvent], bool]:
        assert window.since is not None
        in_memory = _in_memory(room, window)
        if in_memory is not None:
            return in_memory, True
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
        self, room: RoomView, window: Window, until: int
    ) -> dict[StateKey, StoredEvent]:
        """The state that changed in a window, as it was at a position."""
        assert window.since is not None
        if until <= window.since:
            return {}
        spans = await self._store.state_changes(room.nid, window.since, until)
        return by_place((await self._events.fetch(s.event_nid for s in spans)).values())


def _in_memory(room: RoomView, window: Window) -> list[StoredEvent] | None:
    """The events of a window, oldest first, if memory reaches back far enough."""
    assert window.since is not None
    news = room.after((window.since, 0))
    if news is not None and window.until < room.position:
        news = [e for e in news if e.position <= window.until]
    return news


def _passed_over(
    window: Window, news: list[StoredEvent], events: list[StoredEvent]
) -> dict[StateKey, StoredEvent]:
    """By place: the last state events among the news that the filter keeps out of the timeline."""
    if events is news or window.options.use_state_after:
        return {}
    shown = {e.nid for e in events}
    return by_place(e for e in news if e.nid not in shown)


def _is_personal(
    events: Sequence[StoredEvent], receipts: Sequence[ReceiptRow], window: Window
) -> bool:
    """Whether this reader's core differs from that of others with an equal filter."""
    session = window.session
    if session.ignored or window.options.is_shaped or window.related is not None:
        return True
    user_id, device_id = session.user_id, window.device_id
    if any(
        e.txn_id is not None and e.device_id in (device_id, "") and e.event.sender == user_id
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
