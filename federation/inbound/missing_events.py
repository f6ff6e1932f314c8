"""Fetching the events between those that are here and one whose past is missing.

Server-server API, "Backfilling and retrieving missing events".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import structlog

from federation.inbound.quests import Quest
from federation.inbound.remote_history import RemoteHistory
from federation.transport.errors import FederationError
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId
from homeserver.domain.prev_order import ancestors_among, in_prev_order
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.known_events import KnownEvents

ROUNDS: Final = 3
"""How often is asked for what is missing still."""
AT_ONCE: Final = 20
"""How many events are asked for at once."""
MOST_ASKED: Final = 2
"""How many servers are asked: what they do not have is rarely to be had."""

log = structlog.get_logger(__name__)


@attrs.frozen
class Past:
    """Events that are not in the timeline, each after those that it follows, and what they follow
    that is nowhere."""

    events: list[Event]
    missing: frozenset[EventId]


class MissingEvents:
    """Finds the previous events of events, which are not stored yet."""

    def __init__(self, remote: RemoteHistory, known: KnownEvents) -> None:
        self._remote = remote
        self._known = known

    async def before(
        self, quest: Quest, heads: Sequence[StoredEvent], at_hand: Mapping[EventId, Event]
    ) -> Past:
        """What comes before the event of a quest, as far as it can be had.

        ``heads`` are the forward extremities. ``at_hand`` are events that wait to be judged, for
        which nobody needs to be asked.
        """
        found: dict[EventId, Event] = {}
        for asked in range(ROUNDS + 1):
            missing = await self._missing(quest, found)
            while near := missing & at_hand.keys():
                found.update((event_id, at_hand[event_id]) for event_id in near)
                missing = await self._missing(quest, found)
            if not missing or asked == ROUNDS or quest.is_over:
                break
            new = await self._fetched(quest, found, heads, missing)
            if not new:
                break
            found.update((event.event_id, event) for event in new)
        return Past(in_prev_order(found.values()), frozenset(missing))

    async def _missing(self, quest: Quest, found: Mapping[EventId, Event]) -> set[EventId]:
        """The previous events of those found and of the event itself that are nowhere."""
        wanted = {
            event_id
            for event in (quest.event, *found.values())
            for event_id in event.prev_event_ids
        }
        wanted -= {*found, quest.event.event_id}
        return wanted - await self._in_timeline(quest, wanted)

    async def _fetched(
        self,
        quest: Quest,
        found: Mapping[EventId, Event],
        heads: Sequence[StoredEvent],
        missing: set[EventId],
    ) -> list[Event]:
        """Those that are missing and what comes before them, as the first server that has any of
        it tells."""
        ends = [
            event.event_id
            for event in (quest.event, *found.values())
            if not missing.isdisjoint(event.prev_event_ids)
        ]
        min_depth = min([*(head.event.depth for head in heads), quest.event.depth])
        for host in quest.hosts[:MOST_ASKED]:
            try:
                told = await self._remote.missing_events(
                    host,
                    quest.about,
                    earliest=[head.event.event_id for head in heads],
                    latest=ends[:AT_ONCE],
                    min_depth=min_depth,
                    limit=AT_ONCE,
                )
            except FederationError as error:
                log.info("missing_events_not_had", host=host, error=str(error))
                continue
            here = await self._in_timeline(quest, {event.event_id for event in told})
            new = [
                event
                for event in told
                if event.event_id not in here and event.depth >= min_depth and event.prev_event_ids
            ]
            if near := ancestors_among(missing, new):
                return near
        return []

    async def _in_timeline(self, quest: Quest, event_ids: set[EventId]) -> set[EventId]:
        known = await self._known.known(event_ids)
        return {
            event_id
            for event_id, each in known.items()
            if each.is_placed and each.room_nid == quest.room.nid
        }
