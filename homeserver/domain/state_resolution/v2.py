"""The state resolution algorithm since room version 2, with what version 12 changed (v2.1).

Specification: room versions 2 and 12, "State resolution".
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from homeserver.domain.events import Event, StateKey, StateMap
from homeserver.domain.identifiers import EventId
from homeserver.domain.membership import Membership, parse_membership
from homeserver.domain.power_levels import POWER_LEVELS_KEY, PowerLevels
from homeserver.domain.room_versions import RoomVersion, StateResolutionVersion
from homeserver.domain.state_resolution.auth_chains import (
    auth_chain,
    auth_difference,
    auth_event_at,
    events_between,
)
from homeserver.domain.state_resolution.conflicts import differing_keys, without_keys
from homeserver.domain.state_resolution.iterative_auth import IterativeAuthChecks
from homeserver.domain.state_resolution.mainline import mainline_order
from homeserver.domain.state_resolution.power_ordering import reverse_topological_power_order


def resolve_v2(
    version: RoomVersion,
    state_sets: Sequence[StateMap],
    events: Mapping[EventId, Event],
    rejected: Container[EventId],
) -> dict[StateKey, EventId]:
    """Resolve states that differ. An entry that only some of them have is in conflict, too."""
    replayed = version.state_resolution is StateResolutionVersion.V2_1
    keys = differing_keys(state_sets)
    unconflicted = without_keys(state_sets[0], keys)
    conflicted_sets = [{state[key] for key in keys if key in state} for state in state_sets]
    conflicted = set[EventId]().union(*conflicted_sets)

    full = conflicted | auth_difference(conflicted_sets, unconflicted.values(), events)
    if replayed:
        full |= events_between(conflicted, events)
    full = {event_id for event_id in full if event_id in events and events[event_id].is_state}

    create_event = _implied_create_event(version, full, events)
    checks = IterativeAuthChecks({} if replayed else unconflicted, events, rejected, create_event)
    power_events = {event_id for event_id in full if _is_power_event(events[event_id])}
    first = power_events | (auth_chain(power_events, events) & full)
    checks.apply(
        reverse_topological_power_order(
            first, events, lambda event: _sender_level(event, events, create_event)
        )
    )
    remaining = [events[event_id] for event_id in full - first]
    checks.apply(mainline_order(remaining, checks.current(POWER_LEVELS_KEY), events))
    return checks.added | unconflicted


def _implied_create_event(
    version: RoomVersion, event_ids: set[EventId], events: Mapping[EventId, Event]
) -> Event | None:
    """The event that the room ID names, where events do not name it in ``auth_events``."""
    if version.create_in_auth_events or not event_ids:
        return None
    room_id = events[next(iter(event_ids))].room_id
    create_event = events.get(EventId("$" + room_id[1:]))
    if create_event is None:
        raise ValueError(f"The create event of {room_id} is needed to resolve its state")
    return create_event


def _is_power_event(event: Event) -> bool:
    """Whether an event might take away someone's ability to do something."""
    if event.type != "m.room.member":
        return event.type in ("m.room.power_levels", "m.room.join_rules")
    if event.sender == event.state_key:
        return False
    return parse_membership(event.content) in (Membership.LEAVE, Membership.BAN)


def _sender_level(
    event: Event, events: Mapping[EventId, Event], implied_create_event: Event | None
) -> int:
    """The power level of the sender by the event's ``auth_events``."""
    power_levels = auth_event_at(event, POWER_LEVELS_KEY, events)
    create_event = implied_create_event or auth_event_at(event, ("m.room.create", ""), events)
    if create_event is None:
        return 0
    content = None if power_levels is None else power_levels.content
    return PowerLevels.of(content, create_event).user_level(event.sender)
