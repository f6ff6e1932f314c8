"""Taking in an event of another server, and first what it refers to.

Server-server API, "Checks performed on receipt of a PDU", from step 4 on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import structlog

from federation.inbound.auth_events import AuthEvents
from federation.inbound.judging import Judging
from federation.inbound.missing_events import MissingEvents, Past
from federation.inbound.quests import Quest, Unobtainable
from federation.inbound.recommendations import Recommendations
from federation.inbound.room_servers import RoomServers
from federation.inbound.states_before import StatesBefore
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.domain.policy_servers import POLICY_KEY
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.incoming import Arrival, Missing

MOST_STATES: Final = 2
"""For how many of the events before an event a state is asked for."""
SECONDS: Final = 180.0
"""For how long servers are asked about one event."""

log = structlog.get_logger(__name__)


@attrs.frozen
class Fetching:
    """The ways to what an event refers to."""

    missing: MissingEvents
    auth: AuthEvents
    states: StatesBefore
    recommendations: Recommendations


class Intake:
    """Takes in checked events, whatever they refer to."""

    def __init__(
        self,
        directory: RoomDirectory,
        judging: Judging,
        fetching: Fetching,
        servers: RoomServers,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._judging = judging
        self._fetching = fetching
        self._servers = servers
        self._clock = clock

    async def has_users_in(self, room_nid: int) -> bool:
        """Whether users of this server are in a room, without whom it is of no concern."""
        actor = await self._directory.by_nid(room_nid)
        return self._servers.has_local_users(actor.view)

    async def take_in_run(self, room_nid: int, events: Sequence[Event]) -> int:
        """Accept the first ones of some events that follow each other and lack nothing; returns how
        many were. Raises what made one of them fail."""
        room = (await self._directory.by_nid(room_nid)).view
        if POLICY_KEY in room.state or any(event.type == POLICY_KEY[0] for event in events):
            return 0  # Somebody may have to be asked about each.
        return await self._judging.take_in_run(room_nid, events)

    async def take_in(
        self,
        room_nid: int,
        event: Event,
        origin: ServerName,
        at_hand: Mapping[EventId, Event] | None = None,
    ) -> Standing:
        """What becomes of an event that ``origin`` sent.

        Events that come before it are taken in first: those that are ``at_hand``, and those that
        others have. Where some remain missing the timeline has a gap. Raises Unobtainable when
        not enough of it could be had to judge the event.
        """
        if not event.prev_event_ids:
            # Nothing but the event that made the room follows no other, and that is here.
            return Standing.REJECTED
        arrival = await self._arrival(room_nid, event)
        try:
            return await self._judging.take_in(room_nid, arrival)
        except Missing as missing:
            lacks_past = not missing.event_ids.isdisjoint(event.prev_event_ids)
        actor = await self._directory.by_nid(room_nid)
        quest = Quest(
            actor.view,
            arrival.event,
            tuple(self._servers.to_ask_about(actor.view, event, origin)),
            self._clock,
            self._clock.monotonic() + SECONDS,
        )
        if lacks_past:
            past = await self._fetching.missing.before(quest, actor.heads, at_hand or {})
            await self._take_in_those_before(quest, past)
        return await self._with_what_it_needs(quest, may_ask_for_state=True)

    async def _take_in_those_before(self, quest: Quest, past: Past) -> None:
        states = 0
        for event in past.events:
            lacks_past = not past.missing.isdisjoint(event.prev_event_ids)
            may_ask = lacks_past and states < MOST_STATES
            states += lacks_past
            try:
                await self._with_what_it_needs(quest.of(event), may_ask_for_state=may_ask)
            except Unobtainable as error:
                log.info("event_before_not_taken_in", event_id=event.event_id, error=str(error))

    async def _with_what_it_needs(self, quest: Quest, *, may_ask_for_state: bool) -> Standing:
        event, nid = quest.event, quest.room.nid
        arrival = await self._arrival(nid, event)
        for _ in range(3):
            try:
                return await self._judging.take_in(nid, arrival)
            except Missing as missing:
                lacking = missing.event_ids
            if not lacking.isdisjoint(event.auth_event_ids):
                await self._fetching.auth.bring(quest)
            if arrival.before is None and not lacking.isdisjoint(event.prev_event_ids):
                if not may_ask_for_state:
                    raise Unobtainable("Events before it are missing")
                before = await self._fetching.states.before(quest)
                arrival = attrs.evolve(arrival, before=before)
        raise Unobtainable("What it refers to is still missing")

    async def _arrival(self, room_nid: int, event: Event) -> Arrival:
        room = (await self._directory.by_nid(room_nid)).view
        return await self._fetching.recommendations.arrival(room, event)
