"""The state of a room worked out again from its events, beside what was stored of it.

Server-server API, "Room State Resolution". The accepted events are gone through in the order of the
timeline; the state before each is what the states after its previous events resolve to. Where
events are missing, and for history that was filled in later, the state is believed that was stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.incoming import is_placed
from homeserver.rooms.room_states import RoomStates
from homeserver.rooms.view import CREATE, RoomView

PAGE: Final = 100
"""How many events are gone through at once, so that others get their turn in between."""

KEPT: Final = 1_000
"""Of how many events the state after them is remembered, as events may follow them."""

KEPT_PLACES: Final = 1_000_000
"""How many places these states may have in all; those of large rooms are remembered for less."""

Places: TypeAlias = Mapping[StateKey, int]


@attrs.frozen
class RefusedEvent:
    """An accepted state event that the state before it does not allow, and why."""

    stored: StoredEvent
    reason: str


@attrs.frozen
class Replayed:
    """The state after the last events, how many events led there, and which should not have."""

    state: Places
    events: int
    refused: Sequence[RefusedEvent]


class RoomReplay:
    """Goes through the events of rooms again."""

    def __init__(self, events: EventCache, states: RoomStates) -> None:
        self._events = events
        self._states = states

    async def run(self, room: RoomView, heads: Sequence[StoredEvent]) -> Replayed:
        """The state that some events, the forward extremities of a room, lead to."""
        walk = _Walk(room, self._events, self._states, heads)
        until = max(head.order for head in heads)
        after: Order | None = None
        while page := await self._events.store.timeline(
            room.nid, after=after, until=until, backwards=False, limit=PAGE
        ):
            for stored in page:
                if not stored.sub:
                    await walk.take(stored)
            after = page[-1].order
        return await walk.result()


class _Walk:
    def __init__(
        self,
        room: RoomView,
        events: EventCache,
        states: RoomStates,
        heads: Sequence[StoredEvent],
    ) -> None:
        self._room = room
        self._events = events
        self._states = states
        self._heads = {head.event.event_id: head for head in heads}
        self._after: OrderedDict[EventId, Places] = OrderedDict()
        self._after_heads: dict[EventId, Places] = {}
        self._last: Places | None = None
        self._places = 0
        self._refused: list[RefusedEvent] = []
        self._count = 0

    async def take(self, stored: StoredEvent) -> None:
        """Go on with an event."""
        event = stored.event
        after = await self._before(stored)
        if event.state_key is not None:
            await self._check(stored, after)
            after = {**after, event.state_map_key(): stored.nid}
        self._count += 1
        self._remember(event.event_id, after)
        if event.event_id in self._heads:
            self._after_heads[event.event_id] = after

    async def result(self) -> Replayed:
        """What came of it."""
        maps = [
            self._after_heads[event_id]
            if event_id in self._after_heads
            else await self._stored_after(head)
            for event_id, head in self._heads.items()
        ]
        return Replayed(await self._resolved(maps), self._count, self._refused)

    def _remember(self, event_id: EventId, after: Places) -> None:
        # Most events change no state, so that one after the other has the same.
        if after is not self._last:
            self._places += len(after)
        self._after[event_id] = self._last = after
        while len(self._after) > KEPT or (self._places > KEPT_PLACES and len(self._after) > 1):
            _, oldest = self._after.popitem(last=False)
            if oldest is not next(iter(self._after.values())):
                self._places -= len(oldest)

    async def _before(self, stored: StoredEvent) -> Places:
        """The state before an event."""
        prevs = stored.event.prev_event_ids
        if not prevs:
            return {}
        maps = [self._after[event_id] for event_id in prevs if event_id in self._after]
        lacking = [event_id for event_id in prevs if event_id not in self._after]
        if lacking:
            found = await self._events.fetch_ids(lacking)
            here = [e for e in found.values() if self._was_met(e)]
            if len(here) < len(lacking):
                return await self._states.store.places(self._room.nid, stored.state_before)
            maps += [await self._stored_after(each) for each in here]
        return await self._resolved(maps)

    def _was_met(self, stored: StoredEvent) -> bool:
        """Whether an event came to the room in its turn, and was not filled in later."""
        return stored.room_nid == self._room.nid and is_placed(stored) and not stored.sub

    async def _stored_after(self, stored: StoredEvent) -> Places:
        return await self._states.store.places(self._room.nid, stored.state_after)

    async def _resolved(self, maps: Sequence[Places]) -> Places:
        distinct: list[Places] = []
        for places in maps:
            if not any(places is other or places == other for other in distinct):
                distinct.append(places)
        if len(distinct) == 1:
            return distinct[0]
        return await self._states.resolve_places(self._room, distinct)

    async def _check(self, stored: StoredEvent, before: Places) -> None:
        """Note an event that the state before it does not allow.

        Redacted ones are passed over: what authorised them may be what was redacted.
        """
        event = stored.event
        if stored.redacted_by is not None:
            return
        keys = auth_event_keys(
            event.version, event.type, event.state_key, event.sender, event.content
        )
        nids = {key: before[key] for key in (*keys, CREATE) if key in before}
        found = await self._events.fetch(nids.values())
        state = {key: found[nid].event for key, nid in nids.items() if nid in found}
        try:
            check_event_auth(event, state, state.get(CREATE))
        except Forbidden as error:
            self._refused.append(RefusedEvent(stored, error.message))
