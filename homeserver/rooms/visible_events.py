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

    def membership_before(self, position: int) -> Membership:
        """The user's membership in the state before a position."""
        return Membership(_before(self.membership, position, "leave"))

    def allows(self, stored: StoredEvent, user_id: UserId) -> bool:
        """Whether the user may see an event."""
        event = stored.event
        own = event.type == MEMBER and event.state_key == user_id
        changes = (event.type, event.state_key) == VISIBILITY
        return may_see_event(
            visibility=HistoryVisibility(_before(self.visibility, stored.position, "shared")),
            membership=self.membership_before(stored.position),
            joined_later=self.last_join > stored.position,
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

    def __init__(self, store: RoomStore, events: EventCache) -> None:
        self._store = store
        self._events = events

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
        oldest = min(events, key=lambda e: e.order)
        member = room.members.get(user_id)
        if (
            member is not None
            and member.membership == "join"
            and position_of_nid(member.nid) < oldest.position
        ):
            # They were in the room all the time.
            return list(events), {}
        history = self._recent_history(room, user_id, oldest)
        if history is None:
            history = await self.history(room, user_id)
        seen = [e for e in events if history.allows(e, user_id)]
        memberships = {
            e.nid: membership
            for e in seen
            if (membership := self._membership_at(e, user_id, history)) != "join"
        }
        return seen, memberships

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

    @staticmethod
    def _membership_at(stored: StoredEvent, user_id: UserId, history: VisibleHistory) -> str:
        event = stored.event
        if event.type == MEMBER and event.state_key == user_id:
            return str(event.content.get("membership", "leave"))
        return history.membership_before(stored.position)
