"""A room as operators see it: what there is of it, and its state at any event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from homeserver.domain.errors import NotFound
from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import EventId, RoomId
from homeserver.ports.rooms.events import StateAt, StoredEvent
from homeserver.ports.rooms.room_figures import RoomFigures, RoomFigureStore
from homeserver.ports.rooms.states import Gap
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.incoming import is_placed
from homeserver.rooms.room_states import RoomStates, current
from homeserver.rooms.view import RoomView
from homeserver.services.admin.looking_after import looked_after


@attrs.frozen
class RoomReport:
    """What there is of a room. ``state`` counts the places of the current state by type."""

    room_id: RoomId
    version: str
    extremities: Sequence[StoredEvent]
    gaps: Sequence[Gap]
    figures: RoomFigures
    state: Mapping[str, int]
    position: int
    resolved_position: int


@attrs.frozen
class EventReport:
    """An event, the state before it (None where it is not known), and its auth chain."""

    stored: StoredEvent
    state: Mapping[StateKey, EventId] | None
    auth_chain: Sequence[StoredEvent]


class RoomInspection:
    """Looks at rooms. Raises NotFound for rooms that this server does not have."""

    def __init__(
        self, directory: RoomDirectory, states: RoomStates, figures: RoomFigureStore
    ) -> None:
        self._directory = directory
        self._states = states
        self._figures = figures

    async def room(self, room_id: RoomId) -> RoomReport:
        """What there is of a room."""
        actor = await looked_after(self._directory, room_id)
        await actor.settled()
        room, heads = actor.view, actor.heads
        places = await self._states.store.places(room.nid, current(room))
        return RoomReport(
            room_id=room.room_id,
            version=room.version.identifier,
            extremities=heads,
            gaps=await self._states.store.gaps(room.nid),
            figures=await self._figures.figures(room.nid),
            state=Counter(type for type, _ in sorted(places)),
            position=room.position,
            resolved_position=room.resolved_position,
        )

    async def event(self, room_id: RoomId, event_id: EventId) -> EventReport:
        """An event of a room. Raises NotFound when it is not here."""
        actor = await looked_after(self._directory, room_id)
        stored = (await self._directory.events.fetch_ids([event_id])).get(event_id)
        if stored is None or stored.room_nid != actor.view.nid:
            raise NotFound(f"{event_id} is not known in {room_id}")
        state = None
        if is_placed(stored):
            state = await self._ids(actor.view, stored.state_before)
        known = await self._states.with_auth_chains([stored])
        chain = sorted(
            (each for each in known.values() if each is not stored),
            key=lambda each: (each.event.depth, each.event.event_id),
        )
        return EventReport(stored, state, chain)

    async def _ids(self, room: RoomView, state: StateAt) -> dict[StateKey, EventId]:
        places = await self._states.store.places(room.nid, state)
        ids = await self._states.store.ids(set(places.values()))
        return {key: ids[nid] for key, nid in sorted(places.items()) if nid in ids}
