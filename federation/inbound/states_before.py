"""Asking other servers for the state before an event whose past is not here.

Server-server API, "Room State Resolution" and the retrieval of states: mostly all of it is here
already, so that ids are asked for first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from federation.inbound.auth_events import AuthEvents, fetched_singly
from federation.inbound.quests import Quest, Unobtainable
from federation.inbound.remote_history import RemoteHistory, StateIds
from federation.transport.errors import DestinationUnavailable, FederationError
from federation.transport.single_flight import SingleFlight
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.ports.rooms.events import Standing, StateAt
from homeserver.ports.rooms.known_events import KnownEvent, KnownEvents
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.room_states import RoomStates, current
from homeserver.rooms.view import CREATE

MOST_SINGLE: Final = 50
"""Where more events than this are missing, the whole state is asked for."""

log = structlog.get_logger(__name__)


class StatesBefore:
    """Brings here the states before events."""

    def __init__(
        self,
        remote: RemoteHistory,
        auth_events: AuthEvents,
        known: KnownEvents,
        directory: RoomDirectory,
        states: RoomStates,
    ) -> None:
        self._remote = remote
        self._auth_events = auth_events
        self._known = known
        self._directory = directory
        self._states = states
        self._under_way: SingleFlight[tuple[int, EventId], StateAt] = SingleFlight()

    async def before(self, quest: Quest) -> StateAt:
        """The state before the event of a quest, of which all events are here then.

        Raises Unobtainable when no server tells it.
        """
        key = (quest.room.nid, quest.event.event_id)
        return await self._under_way.run(key, lambda: self._before(quest))

    async def _before(self, quest: Quest) -> StateAt:
        for host in quest.hosts:
            if quest.is_over:
                break
            try:
                places = await self._places(host, quest)
            except FederationError as error:
                log.info("state_not_had", host=host, error=str(error))
                continue
            return await self._as_difference(quest, places)
        raise Unobtainable("Nobody tells the state before the event")

    async def _places(self, host: ServerName, quest: Quest) -> dict[StateKey, int]:
        """The numbers of the events of the state, as one server tells it."""
        ids = await self._remote.state_ids(host, quest.about, quest.event.event_id)
        wanted = ids.state | ids.auth_chain
        missing = wanted - (await self._known.known(wanted)).keys()
        if missing:
            await self._auth_events.store(quest, await self._fetched(host, quest, ids, missing))
        known = await self._known.known(ids.state)
        places = {
            each.key: each.nid
            for each in known.values()
            if each.key is not None and _may_hold(each, quest)
        }
        if CREATE not in places:
            raise DestinationUnavailable(host, "the state has no m.room.create event")
        return places

    async def _fetched(
        self, host: ServerName, quest: Quest, ids: StateIds, missing: frozenset[EventId]
    ) -> Sequence[Event]:
        if len(missing) > MOST_SINGLE:
            return await self._remote.state(host, quest.about, quest.event.event_id, missing)
        found = await fetched_singly(self._remote, host, quest, missing)
        lacking = len((missing & ids.state) - found.keys())
        if lacking * 2 > len(ids.state):
            raise DestinationUnavailable(host, "most of the state was not given")
        return list(found.values())

    async def _as_difference(self, quest: Quest, places: dict[StateKey, int]) -> StateAt:
        """A state by what it differs in from the current one."""
        actor = await self._directory.by_nid(quest.room.nid)
        await actor.settled()
        now = current(actor.view)
        held = await self._states.store.places(quest.room.nid, now)
        delta = {
            key: places.get(key) for key in {*held, *places} if held.get(key) != places.get(key)
        }
        return StateAt(now.base, delta)


def _may_hold(known: KnownEvent, quest: Quest) -> bool:
    return known.room_nid == quest.room.nid and known.standing is not Standing.REJECTED
