"""Filling the gaps of timelines with what other servers remember.

Server-server API, "Backfilling and retrieving missing events".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import structlog

from federation.inbound.intake import Fetching
from federation.inbound.judging import Judging
from federation.inbound.quests import Quest, Unobtainable
from federation.inbound.remote_history import RemoteHistory, RoomOf
from federation.inbound.room_servers import RoomServers
from federation.transport.errors import FederationError, TimedOut
from federation.transport.expiring_cache import ExpiringCache
from federation.transport.single_flight import SingleFlight
from federation.transport.time_limit import within
from homeserver.domain.auth_order import in_auth_order
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName, server_name_of
from homeserver.domain.prev_order import ancestors_among, in_prev_order
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import StateAt, StoredEvent
from homeserver.ports.rooms.known_events import KnownEvents
from homeserver.ports.rooms.states import Gap, RoomStateStore
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.gap_filling import GapFilling
from homeserver.rooms.view import RoomView

AT_ONCE: Final = 100
"""How many events are asked for at once."""
SECONDS: Final = 60.0
"""For how long servers are asked."""
PATIENCE_SECONDS: Final = 10.0
"""How long who reads waits; what comes later is there for the next page."""
FORGET_SECONDS: Final = 120.0
"""How long a gap that nobody could fill is left alone."""
MOST_CHAINS: Final = 5
"""For how many of the events what authorises them is asked for, beyond what the state has."""
REMEMBERED: Final = 10_000

log = structlog.get_logger(__name__)


@attrs.frozen
class Placing:
    """Where events from elsewhere end up."""

    directory: RoomDirectory
    judging: Judging
    filling: GapFilling
    gaps: RoomStateStore
    known: KnownEvents


class History:
    """Fills gaps. See :class:`homeserver.ports.federation.backfill.Backfiller`."""

    def __init__(
        self,
        remote: RemoteHistory,
        fetching: Fetching,
        placing: Placing,
        servers: RoomServers,
        clock: Clock,
    ) -> None:
        self._remote = remote
        self._fetching = fetching
        self._placing = placing
        self._servers = servers
        self._clock = clock
        self._under_way: SingleFlight[tuple[int, int, int], bool] = SingleFlight()
        self._in_vain: ExpiringCache[tuple[int, Gap], bool] = ExpiringCache(clock, REMEMBERED)

    async def gaps(self, room_nid: int) -> Sequence[Gap]:
        """The gaps of a room's timeline, oldest first."""
        return await self._placing.gaps.gaps(room_nid)

    async def fill(self, room_nid: int, gap: Gap) -> bool:
        """Whether there are new events in the place of a gap after at most `PATIENCE_SECONDS`.

        Who stops waiting disturbs nobody else who waits for the same.
        """
        if self._in_vain.get((room_nid, gap)):
            return False
        key = (room_nid, gap.position, gap.sub)
        filling = self._under_way.run(key, lambda: self._fill(room_nid, gap))
        try:
            return await within(self._clock, PATIENCE_SECONDS, filling)
        except TimedOut:
            return False

    async def _fill(self, room_nid: int, gap: Gap) -> bool:
        if gap not in await self.gaps(room_nid):
            # Somebody else was quicker.
            return True
        room = (await self._placing.directory.by_nid(room_nid)).view
        until = self._clock.monotonic() + SECONDS
        for host in self._servers.to_ask(room, *await self._likeliest(room, gap)):
            if self._clock.monotonic() > until:
                break
            try:
                placed = await self._filled_by(host, room, gap, until)
            except (FederationError, Unobtainable) as error:
                log.info("gap_not_filled", room=room.room_id, host=host, error=str(error))
                continue
            if placed is not None:
                log.info("gap_filled", room=room.room_id, host=host, events=placed)
                return True
        self._in_vain.put((room_nid, gap), True, FORGET_SECONDS)
        return False

    async def _likeliest(self, room: RoomView, gap: Gap) -> list[ServerName]:
        """The server of whom the event is that follows what is missing: it had that."""
        order = (gap.position, gap.sub)
        above = await self._placing.directory.events.store.timeline(
            room.nid, after=(order[0], order[1] - 1), until=order, backwards=False, limit=1
        )
        return [server_name_of(stored.event.sender) for stored in above]

    async def _filled_by(
        self, host: ServerName, room: RoomView, gap: Gap, until: float
    ) -> int | None:
        """How many events of one server took their places; None when it gave nothing new."""
        told = await self._remote.backfill(
            host, RoomOf(room.room_id, room.version), gap.event_ids, AT_ONCE
        )
        events = in_prev_order(ancestors_among(gap.event_ids, told))
        known = await self._placing.known.known([*gap.event_ids, *(e.event_id for e in events)])
        placed = {event_id for event_id, each in known.items() if each.is_placed}
        new = [event for event in events if event.event_id not in placed]
        if not new and not placed.issuperset(gap.event_ids):
            return None
        before = None
        if new:
            quest = Quest(room, new[0], (host,), self._clock, until)
            before = await self._state_before(quest)
            new = await self._with_auth_events(quest, new)
        async with self._placing.judging.turn(room.nid) as incoming:
            await incoming.outliers(room.nid, in_auth_order(new), await self._cited(room, new))
            return await self._placing.filling.fill(room.nid, gap, new, before)

    async def _state_before(self, quest: Quest) -> StateAt | None:
        """The state before the oldest event, unless what it follows is here (or nothing)."""
        prevs = set(quest.event.prev_event_ids)
        known = await self._placing.known.known(prevs)
        here = {i for i, each in known.items() if each.is_placed}
        if prevs <= here:
            return None
        return await self._fetching.states.before(quest)

    async def _with_auth_events(self, quest: Quest, events: Sequence[Event]) -> list[Event]:
        """Those of some events of which all is here that authorises them, or can be had."""
        own = {event.event_id for event in events}
        cited = {cited for event in events for cited in event.auth_event_ids} - own
        here = (await self._placing.known.known(cited)).keys()
        kept = []
        asked = 0
        for event in events:
            if not own.union(here).issuperset(event.auth_event_ids):
                asked += 1
                if asked > MOST_CHAINS:
                    continue
                try:
                    await self._fetching.auth.bring(quest.of(event))
                except Unobtainable:
                    continue
            kept.append(event)
        return kept

    async def _cited(self, room: RoomView, events: Sequence[Event]) -> dict[EventId, StoredEvent]:
        """The events themselves and those that authorise them, as far as they are here."""
        wanted = {event.event_id for event in events}
        wanted.update(cited for event in events for cited in event.auth_event_ids)
        found = await self._placing.directory.events.fetch_ids(list(wanted))
        known = {i: stored for i, stored in found.items() if stored.room_nid == room.nid}
        known.setdefault(room.create.event.event_id, room.create)
        return known
