"""Choosing the algorithm of the room version, and not running it where nothing conflicts."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from homeserver.domain.events import Event, StateMap
from homeserver.domain.identifiers import EventId
from homeserver.domain.room_versions import RoomVersion, StateResolutionVersion
from homeserver.domain.state_resolution.v1 import resolve_v1
from homeserver.domain.state_resolution.v2 import resolve_v2


def resolve_state(
    version: RoomVersion,
    state_sets: Sequence[StateMap],
    events: Mapping[EventId, Event],
    rejected: Container[EventId] = frozenset(),
) -> StateMap:
    """Resolve the states after several events into the state before the event that joins them.

    ``events`` holds the events of all state sets and their full auth chains, and the room's create
    event. Events that are missing there are passed over; as servers that know them may then come
    to another result, only what no server needs should be missing. ``rejected`` tells which events
    were rejected; they do not authorise others. The order of ``state_sets`` does not matter.

    Raises ValueError when there is no state set, or no create event to authorise others with.
    """
    if not state_sets:
        raise ValueError("There is no state to resolve")
    distinct: list[StateMap] = []
    for state_set in state_sets:
        if state_set not in distinct:
            distinct.append(state_set)
    if len(distinct) == 1:
        return distinct[0]
    if version.state_resolution is StateResolutionVersion.V1:
        return resolve_v1(distinct, events)
    return resolve_v2(version, distinct, events, rejected)
