"""States of a room at any event: reading them, and resolving several into one.

Specification: server-server API, "Room State Resolution". A state is a reference and a difference
(:class:`homeserver.ports.rooms.events.StateAt`), so that equal ones are mostly seen to be equal
without a query. Only when events really disagree are whole states and their auth chains read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence

from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId
from homeserver.domain.room_versions import RoomVersion
from homeserver.domain.state_resolution.resolution import resolve_state
from homeserver.ports.rooms.events import Standing, StateAt, StoredEvent
from homeserver.ports.rooms.states import RoomStateStore
from homeserver.ports.threads import RunInThread
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import RoomView

# How many results of resolution are kept, over all rooms.
_REMEMBERED = 200

_Inputs = tuple[int, frozenset[tuple[int, frozenset[tuple[StateKey, int | None]]]]]


class RoomStates:
    """Reads and resolves states of rooms."""

    def __init__(
        self, store: RoomStateStore, events: EventCache, run_in_thread: RunInThread
    ) -> None:
        self.store = store
        self._events = events
        self._run_in_thread = run_in_thread
        self._resolved: OrderedDict[_Inputs, StateAt] = OrderedDict()

    async def events(
        self, room: RoomView, state: StateAt, keys: Collection[StateKey] | None = None
    ) -> dict[StateKey, StoredEvent]:
        """The events that hold the places of a state: all, or only ``keys``."""
        places = await self.store.places(room.nid, state, keys)
        found = await self._events.fetch(places.values())
        return {key: found[nid] for key, nid in places.items() if nid in found}

    async def resolve(
        self, room: RoomView, states: Iterable[StateAt], also: StoredEvent | None = None
    ) -> StateAt:
        """The state that several resolve to. At least one is given.

        ``also`` is an event of these states that is not stored yet.
        """
        distinct = _distinct(room, states)
        if len(distinct) == 1:
            return distinct[0]
        inputs: _Inputs = (
            room.nid,
            frozenset((s.base, frozenset(s.delta.items())) for s in distinct),
        )
        known = self._resolved.get(inputs)
        if known is None:
            known = self._resolved[inputs] = await self._resolve(room, distinct, also)
            if len(self._resolved) > _REMEMBERED:
                self._resolved.popitem(last=False)
        return known

    async def difference(
        self, room: RoomView, state: StateAt, other: StateAt
    ) -> dict[StateKey, int | None]:
        """What places hold in ``other`` (None: nothing), where that is not what ``state`` has."""
        state, other = canonical(room, state), canonical(room, other)
        if state == other:
            return {}
        if state.base == other.base:
            keys = {*state.delta, *other.delta}
            ours = await self.store.places(room.nid, state, keys)
            theirs = await self.store.places(room.nid, other, keys)
        else:
            ours = await self.store.places(room.nid, state)
            theirs = await self.store.places(room.nid, other)
        return {
            key: theirs.get(key) for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)
        }

    # --- resolving

    async def _resolve(
        self, room: RoomView, states: Sequence[StateAt], also: StoredEvent | None
    ) -> StateAt:
        maps = [await self.store.places(room.nid, state) for state in states]
        first = maps[0]
        if all(places == first for places in maps):
            return states[0]
        result = await self.resolve_places(room, maps, also)
        delta = dict(states[0].delta)
        for key in {*first, *result}:
            nid = result.get(key)
            if nid != first.get(key):
                delta[key] = nid
        return StateAt(states[0].base, delta)

    async def resolve_places(
        self,
        room: RoomView,
        maps: Sequence[Mapping[StateKey, int]],
        also: StoredEvent | None = None,
    ) -> dict[StateKey, int]:
        """What whole states that differ, by the numbers of their events, resolve to.

        ``also``: as in :meth:`resolve`. Nothing of it is remembered.
        """
        nids = {nid for places in maps for nid in places.values()}
        held = await self._events.fetch(nids - {also.nid} if also is not None else nids)
        if also is not None:
            held[also.nid] = also
        known = await self.with_auth_chains(held.values())
        rejected = {i for i, e in known.items() if e.standing is Standing.REJECTED}
        by_id = {event.event.event_id: event.nid for event in held.values()}
        result = await self._run_in_thread(
            _resolve_maps,
            room.version,
            [
                {key: held[nid].event.event_id for key, nid in places.items() if nid in held}
                for places in maps
            ],
            {event_id: stored.event for event_id, stored in known.items()},
            rejected,
        )
        return {key: by_id[event_id] for key, event_id in result.items()}

    async def with_auth_chains(self, events: Iterable[StoredEvent]) -> dict[EventId, StoredEvent]:
        """Some events and all that authorise them, as far as they are here. One query for each
        generation."""
        known = {stored.event.event_id: stored for stored in events}
        new = list(known.values())
        while new:
            missing = {
                event_id
                for stored in new
                for event_id in stored.event.auth_event_ids
                if event_id not in known
            }
            found = await self._events.fetch_ids(list(missing))
            known.update(found)
            new = list(found.values())
        return known


def canonical(room: RoomView, state: StateAt) -> StateAt:
    """A state by the first position from which on the room is in it, as far as memory tells; and
    without what its base has anyway."""
    if state.base <= room.state_changed:
        return state
    return StateAt(room.state_changed, state.delta)


def current(room: RoomView) -> StateAt:
    """The current state of a room, of which nothing is on its way to the database."""
    return StateAt(room.state_changed)


def _distinct(room: RoomView, states: Iterable[StateAt]) -> list[StateAt]:
    distinct: list[StateAt] = []
    for state in states:
        state = canonical(room, state)
        if state not in distinct:
            distinct.append(state)
    return distinct


def _resolve_maps(
    version: RoomVersion,
    maps: Sequence[Mapping[StateKey, EventId]],
    events: Mapping[EventId, Event],
    rejected: Collection[EventId],
) -> dict[StateKey, EventId]:
    return dict(resolve_state(version, maps, events, frozenset(rejected)))
