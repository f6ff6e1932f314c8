"""Events in an order in which each comes after those that it follows."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId


def in_prev_order(events: Iterable[Event]) -> list[Event]:
    """Each event once, after those of its previous events that are among them.

    Among those that could come next, the one with the least depth does, then the one that was made
    first. Events that follow each other in a circle, which only forgery could make, are left out.
    """
    by_id = {event.event_id: event for event in events}
    waiting_for: dict[EventId, int] = {}
    following: dict[EventId, list[EventId]] = {}
    for event_id, event in by_id.items():
        followed = {prev for prev in event.prev_event_ids if prev in by_id}
        waiting_for[event_id] = len(followed)
        for prev in followed:
            following.setdefault(prev, []).append(event_id)
    ready = [_rank(by_id[event_id]) for event_id, count in waiting_for.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[Event] = []
    while ready:
        event_id = heapq.heappop(ready)[2]
        ordered.append(by_id[event_id])
        for other in following.get(event_id, ()):
            waiting_for[other] -= 1
            if waiting_for[other] == 0:
                heapq.heappush(ready, _rank(by_id[other]))
    return ordered


def ancestors_among(event_ids: Iterable[EventId], events: Iterable[Event]) -> list[Event]:
    """Those of some events that are named by ``event_ids``, or followed by those that are."""
    by_id = {event.event_id: event for event in events}
    found: dict[EventId, Event] = {}
    ahead = list(event_ids)
    while ahead:
        event = by_id.get(ahead.pop())
        if event is not None and event.event_id not in found:
            found[event.event_id] = event
            ahead.extend(event.prev_event_ids)
    return list(found.values())


def _rank(event: Event) -> tuple[int, int, EventId]:
    return event.depth, event.origin_server_ts, event.event_id
