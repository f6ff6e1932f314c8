"""Walking the graph that the ``auth_events`` of events make.

Specification: room versions 2 and 12, "State resolution", "Definitions". Events that are not at
hand are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId


def auth_event_at(event: Event, key: StateKey, events: Mapping[EventId, Event]) -> Event | None:
    """The event that ``event`` names in its ``auth_events`` for an entry of the state."""
    for event_id in event.auth_event_ids:
        found = events.get(event_id)
        if found is not None and (found.type, found.state_key) == key:
            return found
    return None


def auth_chain(starts: Iterable[EventId], events: Mapping[EventId, Event]) -> set[EventId]:
    """The events that some events lead to. These belong to it only where another leads to them."""
    chain: set[EventId] = set()
    pending = [events[event_id] for event_id in starts if event_id in events]
    while pending:
        for event_id in pending.pop().auth_event_ids:
            if event_id not in chain and event_id in events:
                chain.add(event_id)
                pending.append(events[event_id])
    return chain


def auth_difference(
    conflicted_sets: Sequence[Collection[EventId]],
    unconflicted: Collection[EventId],
    events: Mapping[EventId, Event],
) -> set[EventId]:
    """The events that are in the full auth chains of some states, but not of all.

    The full auth chain of a state holds the events of the state, too. The wording of the
    specification leaves them out, but in the worked example of MSC1442, at "Message 3", an
    unconflicted event that only one side leads to makes no difference.

    ``conflicted_sets`` has the conflicted events of each state. All states share the
    ``unconflicted`` events and what these lead to, so that a difference can only come from the
    conflicted ones; the many others are walked through only if there is one that they could
    settle. Conflicted events are left out of the result, as they count in any case.
    """
    first, *others = [auth_chain(conflicted, events) for conflicted in conflicted_sets]
    difference = first.union(*others) - first.intersection(*others)
    in_doubt = difference.difference(unconflicted, *conflicted_sets)
    return _not_reached(in_doubt, unconflicted, events)


def events_between(ends: Collection[EventId], events: Mapping[EventId, Event]) -> set[EventId]:
    """The events on the paths that lead from one of ``ends`` to another one.

    Of ``ends`` themselves it has those that are in the middle of such a path or at its older end.
    For the conflicted state set this is the conflicted state subgraph.
    """
    citing: dict[EventId, list[EventId]] = {}
    chain = auth_chain(ends, events)
    for event_id in chain:
        for cited_id in events[event_id].auth_event_ids:
            citing.setdefault(cited_id, []).append(event_id)
    between: set[EventId] = chain.intersection(ends)
    pending = list(between)
    while pending:
        for event_id in citing.get(pending.pop(), ()):
            if event_id not in between:
                between.add(event_id)
                pending.append(event_id)
    return between


def _not_reached(
    targets: set[EventId], starts: Iterable[EventId], events: Mapping[EventId, Event]
) -> set[EventId]:
    """The events of ``targets`` that ``starts`` do not lead to."""
    remaining = set(targets)
    seen: set[EventId] = set()
    for start in starts:
        pending = [start]
        while pending and remaining:
            event = events.get(pending.pop())
            new = [] if event is None else [id_ for id_ in event.auth_event_ids if id_ not in seen]
            seen.update(new)
            remaining.difference_update(new)
            pending += new
        if not remaining:
            break
    return remaining
