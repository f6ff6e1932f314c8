"""Which events of a room a user may see. Client-server API, "Room History Visibility"."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId
from homeserver.domain.membership import Membership, parse_membership
from homeserver.domain.visibility import (
    HistoryVisibility,
    may_see_event,
    parse_history_visibility,
)
from homeserver.ports.rooms.events import StoredEvent, position_of_nid
from homeserver.ports.rooms.past_states import PastStates
from homeserver.ports.rooms.rooms import RoomStore
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import MEMBER, RoomView

VISIBILITY = ("m.room.history_visibility", "")


@attrs.frozen(slots=True)
class _Step:
    """From a position on, a place of the state had this value."""

    position: int
    value: str


@attrs.frozen(slots=True)
class Seen:
    """The visibility of a room, and one user's membership, in one of its states."""

    visibility: HistoryVisibility = HistoryVisibility.SHARED
    membership: Membership = Membership.LEAVE


@attrs.frozen(slots=True)
class VisibleHistory:
    """How a room's visibility and one user's membership changed over time."""

    visibility: list[_Step]
    membership: list[_Step]
    last_join: int
    """The last position at which the user became joined, or -1."""

    @property
    def last_departure(self) -> int | None:
        """The last position at which the user ceased to be joined; None while they are in the
        room, -1 if they never were."""
        left = -1
        current = ""
        for step in self.membership:
            if current == "join" and step.value != "join":
                left = step.position
            current = step.value
        return None if current == "join" else left

    def before(self, stored: StoredEvent) -> Seen:
        """What held before an event whose state is one that the room was in."""
        position = stored.state_position + 1
        return Seen(
            HistoryVisibility(_before(self.visibility, position, "shared")),
            Membership(_before(self.membership, position, "leave")),
        )

    def allows(self, stored: StoredEvent, user_id: UserId, before: Seen) -> bool:
        """Whether the user may see an event, given what held in the state before it."""
        event = stored.event
        own = event.type == MEMBER and event.state_key == user_id
        changes = (event.type, event.state_key) == VISIBILITY
        return may_see_event(
            visibility=before.visibility,
            membership=before.membership,
            joined_later=(self.last_join, 0) > stored.order,
            new_visibility=parse_history_visibility(event.content) if changes else None,
            new_membership=parse_membership(event.content) if own else None,
        )


def _before(steps: list[_Step], position: int, otherwise: str) -> str:
    value = otherwise
    for step in steps:
        if step.position >= position:
            break
        value = step.value
    return value


def _value(key: StateKey, stored: StoredEvent) -> str:
    content = stored.event.content
    if key == VISIBILITY:
        return parse_history_visibility(content)
    return parse_membership(content) or Membership.LEAVE


class Visibility:
    """Filters events by what a user may see."""

    def __init__(self, store: RoomStore, events: EventCache, states: PastStates) -> None:
        self._store = store
        self._events = events
        self._states = states

    async def history(self, room: RoomView, user_id: UserId) -> VisibleHistory:
        """How visibility and membership changed: one query over the few rows of two places."""
        spans = await self._store.state_history(room.nid, [VISIBILITY, (MEMBER, user_id)])
        events = await self._events.fetch(s.event_nid for s in spans)
        visibility, membership = [], []
        last_join, current = -1, "leave"
        for span in spans:
            content = events[span.event_nid].event.content
            if span.type == MEMBER:
                value = parse_membership(content) or Membership.LEAVE
                membership.append(_Step(span.from_position, value))
                if value == "join" and current != "join":
                    last_join = span.from_position
                current = value
            else:
                visibility.append(_Step(span.from_position, parse_history_visibility(content)))
        return VisibleHistory(visibility, membership, last_join)

    async def visible(
        self, room: RoomView, user_id: UserId, events: Sequence[StoredEvent]
    ) -> tuple[list[StoredEvent], dict[int, str]]:
        """The events that the user may see, and by number the user's membership where not join."""
        if not events:
            return [], {}
        beside = [e for e in events if e.state_position < 0]
        oldest = min(events, key=lambda e: e.order)
        member = room.members.get(user_id)
        if (
            not beside
            and member is not None
            and member.membership == "join"
            and position_of_nid(member.nid) <= min(e.state_position for e in events)
        ):
            # They were in the room all the time.
            return list(events), {}
        history = None
        if all(e.state_position == e.position - 1 for e in events):
            history = self._recent_history(room, user_id, oldest)
        if history is None:
            history = await self.history(room, user_id)
        before = await self._before(room, user_id, beside)
        seen = []
        memberships: dict[int, str] = {}
        for stored in events:
            held = before.get(stored.state_position) or history.before(stored)
            if history.allows(stored, user_id, held):
                seen.append(stored)
                membership = _membership_at(stored, user_id, held)
                if membership != "join":
                    memberships[stored.nid] = membership
        return seen, memberships

    async def _before(
        self, room: RoomView, user_id: UserId, events: Sequence[StoredEvent]
    ) -> dict[int, Seen]:
        """What held in the states before events that the room as a whole never was in, by
        ``state_position``: on branches of its history, and where that was filled in later."""
        if not events:
            return {}
        own = (MEMBER, user_id)
        bases = {stored.state_position for stored in events}
        held = await self._states.held(room.nid, bases, [VISIBILITY, own])
        found = await self._events.fetch(
            {nid for places in held.values() for nid in places.values()}
        )
        before = {}
        for base, places in held.items():
            values = {key: _value(key, found[nid]) for key, nid in places.items()}
            before[base] = Seen(
                HistoryVisibility(values.get(VISIBILITY, "shared")),
                Membership(values.get(own, "leave")),
            )
        return before

    def _recent_history(
        self, room: RoomView, user_id: UserId, oldest: StoredEvent
    ) -> VisibleHistory | None:
        """The history as far as it matters to the events from ``oldest`` on, from memory alone."""
        if oldest.order <= room.tail_after:
            return None
        shown = room.state.get(VISIBILITY)
        member = room.members.get(user_id)
        visibility = self._recent_steps(
            room,
            VISIBILITY,
            oldest,
            parse_history_visibility(shown.event.content if shown else None),
        )
        membership = self._recent_steps(
            room, (MEMBER, user_id), oldest, member.membership if member is not None else "leave"
        )
        if visibility is None or membership is None:
            return None
        last_join, current = -1, ""
        for step in membership:
            if step.value == "join" and current != "join":
                last_join = step.position
            current = step.value
        return VisibleHistory(visibility, membership, last_join)

    def _recent_steps(
        self, room: RoomView, key: StateKey, oldest: StoredEvent, now: str
    ) -> list[_Step] | None:
        """The values of a place from an event on; None when memory does not tell how it was
        before."""
        changes = [e for e in room.tail if (e.event.type, e.event.state_key) == key]
        if not changes:
            return [_Step(-1, now)]
        steps = [_Step(e.position, _value(key, e)) for e in changes]
        first = changes[0]
        if first.order < oldest.order or first.replaces_nid is None:
            return steps
        before = room.previous.get(first.nid) or self._events.get(first.replaces_nid)
        return [_Step(-1, _value(key, before)), *steps] if before is not None else None


def _membership_at(stored: StoredEvent, user_id: UserId, before: Seen) -> str:
    """The user's membership as clients are told it: with an event about it, the new one."""
    event = stored.event
    if event.type == MEMBER and event.state_key == user_id:
        return str(event.content.get("membership", "leave"))
    return before.membership
