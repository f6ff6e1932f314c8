"""The mainline ordering.

Specification: room versions 2 and 12, "State resolution", "Definitions".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId
from homeserver.domain.power_levels import POWER_LEVELS_KEY
from homeserver.domain.state_resolution.auth_chains import auth_event_at


def mainline_order(
    unordered: Iterable[Event], power_levels: Event | None, events: Mapping[EventId, Event]
) -> list[Event]:
    """Order events by where they stand to the mainline of ``power_levels``, oldest first.

    The mainline is the chain of power levels events that led to this one. Events that stand at the
    same place, or have nothing to do with the mainline, are ordered by time and ID.
    """
    positions: dict[EventId, float] = {}
    mainline_event = power_levels
    while mainline_event is not None and mainline_event.event_id not in positions:
        positions[mainline_event.event_id] = len(positions)
        mainline_event = auth_event_at(mainline_event, POWER_LEVELS_KEY, events)
    return sorted(
        unordered,
        key=lambda event: (
            -_mainline_position(event, positions, events),
            event.origin_server_ts,
            event.event_id,
        ),
    )


def _mainline_position(
    event: Event, positions: dict[EventId, float], events: Mapping[EventId, Event]
) -> float:
    """How far back on the mainline the event's chain of power levels meets it, or infinity.

    The positions of power levels events met on the way are added to ``positions``.
    """
    passed = []
    power_levels = auth_event_at(event, POWER_LEVELS_KEY, events)
    while power_levels is not None and power_levels.event_id not in positions:
        positions[power_levels.event_id] = math.inf
        passed.append(power_levels.event_id)
        power_levels = auth_event_at(power_levels, POWER_LEVELS_KEY, events)
    if power_levels is None:
        return math.inf
    position = positions[power_levels.event_id]
    positions.update(dict.fromkeys(passed, position))
    return position
