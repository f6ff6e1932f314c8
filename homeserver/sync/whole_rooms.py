"""Rooms told from scratch: the newest of their timeline, and all of their state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order, UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import EVERYONE
from homeserver.rooms.view import MEMBER, NOWHERE, RoomView
from homeserver.sync.lazy_members import lazy_members
from homeserver.sync.parts import Part, PartWriter, by_place, not_overtaken
from homeserver.sync.room_summary import heroes, needs_heroes
from homeserver.sync.timelines import joined_json, timeline_json, wanted
from homeserver.sync.windows import LARGEST_LIMIT, Core, Window

_SUBS = 2**31
"""Above every place within a position."""


@attrs.frozen(slots=True)
class _Timeline:
    """The timeline of a part, and by place the last state events that it passes over."""

    events: list[StoredEvent]
    memberships: Mapping[int, str]
    limited: bool
    passed_over: Mapping[StateKey, StoredEvent]


class WholeRooms:
    """Builds the cores of rooms from scratch. The windows have no ``since``."""

    def __init__(self, directory: RoomDirectory, writer: PartWriter, clock: Clock) -> None:
        self._store = directory.store
        self._events = directory.events
        self._writer = writer
        self._clock = clock

    async def cores(self, rooms: Sequence[tuple[RoomView, Window]]) -> list[Core]:
        """The cores of rooms as they are at the end of their windows, all of one reader: newest
        timeline, whole state."""
        await self._prefetch(rooms)
        return await self._writer.write([await self._part(room, window) for room, window in rooms])

    async def _prefetch(self, rooms: Sequence[tuple[RoomView, Window]]) -> None:
        """Bring what the parts of many rooms take into memory, in one query."""
        nids: set[int] = set()
        for room, window in rooms:
            options, user_id = window.options, window.session.user_id
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

    async def _part(self, room: RoomView, window: Window) -> Part:
        timeline = await self._timeline(room, window)
        events = timeline.events
        first = events[0] if events else None
        members = lazy_members(room, window, events, with_heroes=True)
        wanted_members = set(members) if window.options.lazy else None
        places = await self._state_places(room, window, first, wanted_members)
        # What the timeline passes over is told beforehand: later nobody would.
        places |= {
            key: e.nid
            for key, e in timeline.passed_over.items()
            if first is not None
            and e.order > first.order
            and (key[0] != MEMBER or wanted_members is None or UserId(key[1]) in wanted_members)
        }
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
        return Part(
            room,
            window,
            events,
            timeline.memberships,
            state,
            timeline.limited,
            before,
            True,
            members,
        )

    async def _timeline(self, room: RoomView, window: Window) -> _Timeline:
        limit = window.options.limit
        floor: Order = (window.known_until, 0) if window.known_until is not None else NOWHERE
        newest, reaches = await self._newest(room, window, floor)
        found = [e for e in wanted(room, newest, window) if e.order > floor]
        limited = len(found) > limit or reaches > floor
        if window.options.filter.room.timeline.is_pass_none:
            limited = False
        found = found[-limit:]
        seen, memberships = await self._writer.seen(room, window, found)
        if not seen or window.options.use_state_after:
            return _Timeline(seen, memberships, limited, {})
        # It begins after all changes of the state that the reader may not see.
        shown = {e.nid for e in seen}
        unseen = [e.order for e in found if e.event.is_state and e.nid not in shown]
        rest = [e for e in seen if not unseen or e.order > unseen[-1]]
        passed_over = by_place(e for e in newest if e.order > seen[0].order and e.nid not in shown)
        rest = not_overtaken(rest, passed_over)
        return _Timeline(rest, memberships, limited or len(rest) < len(seen), passed_over)

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

    async def own_membership(self, window: Window, user_room: UserRoom) -> Core:
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
