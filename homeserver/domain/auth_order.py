"""Events in an order in which each comes after those that authorise it."""

from __future__ import annotations

from collections.abc import Iterable

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId


def in_auth_order(events: Iterable[Event]) -> list[Event]:
    """Each event once, after those of its auth events that are among them.

    Events that authorise each other in a circle, which only forgery could make, are left out.
    """
    by_id = {event.event_id: event for event in events}
    waiting_for = {
        event_id: sum(1 for cited in set(event.auth_event_ids) if cited in by_id)
        for event_id, event in by_id.items()
    }
    citing: dict[EventId, list[EventId]] = {}
    for event_id, event in by_id.items():
        for cited in set(event.auth_event_ids):
            if cited in by_id:
                citing.setdefault(cited, []).append(event_id)
    ready = [event_id for event_id, count in waiting_for.items() if count == 0]
    ordered: list[Event] = []
    while ready:
        event_id = ready.pop()
        ordered.append(by_id[event_id])
        for other in citing.get(event_id, ()):
            waiting_for[other] -= 1
            if waiting_for[other] == 0:
                ready.append(other)
    return ordered
