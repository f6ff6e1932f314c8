"""Fetching the events that authorise others.

Server-server API, "Retrieving event authorization information". A server could make up chains
without end; so their number, their depth and their bytes are limited, and what could not be had is
not asked for again for some time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import structlog
from twisted.internet.defer import Deferred

from federation.inbound.judging import Judging
from federation.inbound.quests import Quest, Unobtainable
from federation.inbound.remote_history import RemoteHistory
from federation.transport.errors import FederationError
from federation.transport.expiring_cache import ExpiringCache
from federation.transport.single_flight import SingleFlight
from homeserver.domain.auth_order import in_auth_order
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.known_events import KnownEvents
from homeserver.rooms.event_cache import EventCache

MOST_EVENTS: Final = 3000
"""How many missing events a chain may have."""
MOST_SINGLE: Final = 100
"""How many of them are fetched one by one."""
DEEPEST: Final = 20
"""How many generations are followed one by one."""
CHUNK: Final = 500
"""How many events are judged and stored at once, so that others get their turn in between."""
FORGET_SECONDS: Final = 600.0
REMEMBERED: Final = 10_000

log = structlog.get_logger(__name__)


class AuthEvents:
    """Brings here what authorises events, as outliers."""

    def __init__(
        self,
        remote: RemoteHistory,
        events: EventCache,
        known: KnownEvents,
        judging: Judging,
        clock: Clock,
    ) -> None:
        self._remote = remote
        self._events = events
        self._known = known
        self._judging = judging
        self._under_way: SingleFlight[tuple[int, EventId], None] = SingleFlight()
        self._in_vain: ExpiringCache[tuple[int, EventId], bool] = ExpiringCache(clock, REMEMBERED)

    async def bring(self, quest: Quest) -> None:
        """Store everything that authorises the event of a quest.

        Raises Unobtainable when no server has it, or not in reasonable measure.
        """
        key = (quest.room.nid, quest.event.event_id)
        if self._in_vain.get(key):
            raise Unobtainable("The auth events were asked for in vain a short while ago")
        await self._under_way.run(key, lambda: self._bring(quest))

    async def _bring(self, quest: Quest) -> None:
        for host in quest.hosts:
            if quest.is_over:
                break
            chain = await self._chain(host, quest)
            if chain is not None:
                await self.store(quest, chain)
                return
        self._in_vain.put((quest.room.nid, quest.event.event_id), True, FORGET_SECONDS)
        raise Unobtainable("Nobody has the auth events")

    async def store(self, quest: Quest, events: Sequence[Event]) -> None:
        """Store events as outliers, each judged by its auth events, as far as these are here."""
        ordered = in_auth_order(events)
        for start in range(0, len(ordered), CHUNK):
            chunk = ordered[start : start + CHUNK]
            cited = {cited for event in chunk for cited in event.auth_event_ids}
            ids = {*cited, *(event.event_id for event in chunk)}
            known = await self._events.fetch_ids(list(ids))
            known = {i: e for i, e in known.items() if e.room_nid == quest.room.nid}
            create = quest.room.create
            known.setdefault(create.event.event_id, create)
            await self._judging.outliers(quest.room.nid, chunk, known)

    async def _chain(self, host: ServerName, quest: Quest) -> list[Event] | None:
        """The missing events of the chain of an event; None when a server does not have all."""
        try:
            told = await self._remote.auth_chain(host, quest.about, quest.event.event_id)
        except FederationError as error:
            log.info("auth_chain_not_had", host=host, error=str(error))
            told = []
        offered = {event.event_id: event for event in told}
        found: dict[EventId, Event] = {}
        wanted = await self._unknown(set(quest.event.auth_event_ids))
        fetched = generations = 0
        while wanted:
            missing = wanted - offered.keys()
            if missing:
                fetched += len(missing)
                generations += 1
                if fetched > MOST_SINGLE or generations > DEEPEST:
                    return None
                offered.update(await fetched_singly(self._remote, host, quest, missing))
            if not wanted <= offered.keys():
                return None
            found.update((event_id, offered[event_id]) for event_id in wanted)
            if len(found) > MOST_EVENTS:
                return None
            cited = {each for i in wanted for each in offered[i].auth_event_ids}
            wanted = await self._unknown(cited - found.keys())
        return list(found.values())

    async def _unknown(self, event_ids: set[EventId]) -> set[EventId]:
        return event_ids - (await self._known.known(event_ids)).keys()


async def fetched_singly(
    remote: RemoteHistory, host: ServerName, quest: Quest, event_ids: Collection[EventId]
) -> dict[EventId, Event]:
    """Those of some events that a server gives when it is asked for each, at the same time."""
    questions = [
        Deferred.fromCoroutine(_asked(remote, host, quest, event_id)) for event_id in event_ids
    ]
    found = [await question for question in questions]
    return {event.event_id: event for event in found if event is not None}


async def _asked(
    remote: RemoteHistory, host: ServerName, quest: Quest, event_id: EventId
) -> Event | None:
    try:
        return await remote.event(host, quest.about, event_id)
    except FederationError as error:
        log.info("event_not_had", host=host, error=str(error))
        return None
