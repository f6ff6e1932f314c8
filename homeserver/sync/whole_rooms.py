"""Rooms told from scratch: the newest of their timeline, and all of their state."""

from __future__ import annotations

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order, UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import EVERYONE, event_json
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.sync.lazy_members import lazy_members
from homeserver.sync.newest_timelines import NewestTimeline, NewestTimelines, RoomsToRead
from homeserver.sync.parts import Part, PartWriter
from homeserver.sync.timelines import (
    joined_json,
    shaped,
    state_that_can_pass,
    timeline_json,
    wanted,
    wanted_state,
)
from homeserver.sync.windows import Core, Window

_SUBS = 2**31
"""Above every place within a position."""


@attrs.frozen(slots=True)
class _State:
    """The state that goes along with a timeline: events, and the numbers of others. Of members only
    ``members``, where these are loaded lazily."""

    events: list[StoredEvent]
    nids: list[int]
    members: tuple[UserId, ...]


class WholeRooms:
    """Builds the cores of rooms from scratch. The windows have no ``since``."""

    def __init__(
        self,
        directory: RoomDirectory,
        writer: PartWriter,
        clock: Clock,
        timelines: NewestTimelines,
    ) -> None:
        self._store = directory.store
        self._events = directory.events
        self._writer = writer
        self._clock = clock
        self._timelines = timelines

    async def cores(self, rooms: RoomsToRead) -> list[Core]:
        """The cores of rooms as they are at the end of their windows, all of one reader: newest
        timeline, whole state."""
        timelines = await self._timelines.of(rooms)
        states = [await self._state(room, window, timelines[room.nid]) for room, window in rooms]
        read = await self._events.fetch({nid for state in states for nid in state.nids})
        parts = []
        for (room, window), state in zip(rooms, states, strict=True):
            timeline, first = timelines[room.nid], timelines[room.nid].first
            before = TimelineToken(window.until)
            if first is not None:
                before = TimelineToken(first.position, first.sub - 1)
            parts.append(
                Part(
                    room,
                    window,
                    timeline.events,
                    timeline.memberships,
                    state.events + [read[nid] for nid in state.nids if nid in read],
                    timeline.limited,
                    before,
                    True,
                    state.members,
                )
            )
        return await self._writer.write(parts)

    # --- state

    async def _state(self, room: RoomView, window: Window, timeline: NewestTimeline) -> _State:
        members = lazy_members(room, window, timeline.events, with_heroes=True)
        wanted_members = frozenset(members) if window.options.lazy else None
        places = await self._state_places(room, window, timeline, wanted_members)
        # What the timeline passes over is told beforehand: later nobody would.
        first = timeline.first
        told = {
            key: e
            for key, e in timeline.passed_over.items()
            if first is not None and e.order > first.order and _is_wanted(key, wanted_members)
        }
        events, nids = list(told.values()), []
        can_pass = state_that_can_pass(room, window.options)
        for key, nid in places.items():
            if key in told or not can_pass(key[0]):
                continue
            held = room.state.get(key)
            if held is not None and held.nid == nid:
                events.append(held)
            else:
                nids.append(nid)
        return _State(events, nids, members)

    async def _state_places(
        self,
        room: RoomView,
        window: Window,
        timeline: NewestTimeline,
        members: frozenset[UserId] | None,
    ) -> dict[StateKey, int]:
        """By place: the number of the event that held it before the timeline began, or at its end
        for ``state_after``. Of members only those in ``members``, if given."""
        # The state is wanted as it was before everything from this place on.
        end: Order = (window.until, _SUBS)
        beginning, position = end, window.until
        first = timeline.first
        if first is not None and not window.options.use_state_after and first.order < beginning:
            beginning = first.order
            position = first.position - 1
        is_plain = room.resolved_position < beginning[0]
        if beginning <= timeline.after or end < room.tail_after or not is_plain:
            spans = await self._store.state_at(room.nid, position)
            return {
                (s.type, s.state_key): s.event_nid
                for s in spans
                if _is_wanted((s.type, s.state_key), members)
            }
        places: dict[StateKey, int] = {key: event.nid for key, event in room.state.items()}
        for user_id in room.members if members is None else members:
            member = room.members.get(user_id)
            if member is not None:
                places[MEMBER, user_id] = member.nid
        later = [e for e in room.tail if e.position > window.until]
        for event in reversed([*timeline.changes, *later]):
            if event.order < beginning:
                break
            if event.event.state_key is None:
                continue
            key = event.event.state_map_key()
            if not _is_wanted(key, members):
                continue
            if event.replaces_nid is None:
                places.pop(key, None)
            else:
                places[key] = event.replaces_nid
        return places

    async def own_membership(self, room: RoomView, window: Window, user_room: UserRoom) -> Core:
        """The core of a room of which the reader is to see nothing but their membership."""
        options, now = window.options, self._clock.now_ms()
        own = list((await self._events.fetch([user_room.event_nid])).values())
        memberships = dict.fromkeys((e.nid for e in own), user_room.membership)
        shown = wanted(room, own, window)
        state = own if options.use_state_after or not shown else []
        body = joined_json(
            options,
            timeline=timeline_json(shown, {}, memberships, EVERYONE, options, now),
            limited=False,
            prev_batch=TimelineToken(user_room.position),
            state=[
                shaped(e, event_json(e, now, membership=None), options)
                for e in wanted_state(room, state, options)
            ],
            ephemeral=[],
        )
        return Core(body, is_empty=False, summary_changed=False)


def _is_wanted(key: StateKey, members: frozenset[UserId] | None) -> bool:
    return members is None or key[0] != MEMBER or UserId(key[1]) in members
