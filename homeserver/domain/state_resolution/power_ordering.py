"""The reverse topological power ordering.

Specification: room versions 2 and 12, "State resolution", "Definitions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import TypeAlias

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId
from homeserver.domain.state_resolution.auth_chains import events_between

_Rank: TypeAlias = tuple[int, int, EventId]


def reverse_topological_power_order(
    selected: set[EventId], events: Mapping[EventId, Event], sender_level: Callable[[Event], int]
) -> list[Event]:
    """Order events such that each comes after those of its auth chain.

    Of the events that are free to come next it is the one whose sender has most power, else the
    oldest one, else the one with the least ID (Kahn's algorithm). ``sender_level`` gives the power
    level of an event's sender by the event's ``auth_events``. Events that are not selected but lie
    on a path between selected ones are taken as soon as they are free, and left out.
    """
    graph = selected | events_between(selected, events)
    waiting_for: dict[EventId, int] = {}
    citing: dict[EventId, list[EventId]] = {event_id: [] for event_id in graph}
    for event_id in graph:
        cited_ids = graph.intersection(events[event_id].auth_event_ids)
        waiting_for[event_id] = len(cited_ids)
        for cited_id in cited_ids:
            citing[cited_id].append(event_id)

    ordered: list[Event] = []
    candidates: list[_Rank] = []
    free = [event_id for event_id, count in waiting_for.items() if count == 0]
    while free or candidates:
        while free:
            event_id = free.pop()
            if event_id in selected:
                heappush(candidates, _rank(events[event_id], sender_level))
            else:
                free += _released(event_id, citing, waiting_for)
        if candidates:
            *_, event_id = heappop(candidates)
            ordered.append(events[event_id])
            free += _released(event_id, citing, waiting_for)
    return ordered


def _rank(event: Event, sender_level: Callable[[Event], int]) -> _Rank:
    return -sender_level(event), event.origin_server_ts, event.event_id


def _released(
    event_id: EventId, citing: Mapping[EventId, list[EventId]], waiting_for: dict[EventId, int]
) -> list[EventId]:
    """The events that waited for this one only."""
    released = []
    for citing_id in citing[event_id]:
        waiting_for[citing_id] -= 1
        if waiting_for[citing_id] == 0:
            released.append(citing_id)
    return released
