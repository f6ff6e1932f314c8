"""Where states differ."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.events import StateKey, StateMap
from homeserver.domain.identifiers import EventId


def differing_keys(state_sets: Sequence[StateMap]) -> set[StateKey]:
    """The keys that do not have the same event in all states, be it that some lack them."""
    first, *others = state_sets
    keys: set[StateKey] = set()
    for other in others:
        keys.update(key for key, event_id in first.items() if other.get(key) != event_id)
        keys.update(key for key in other if key not in first)
    return keys


def without_keys(state_set: StateMap, keys: set[StateKey]) -> dict[StateKey, EventId]:
    return {key: event_id for key, event_id in state_set.items() if key not in keys}


def events_at(state_sets: Sequence[StateMap], key: StateKey) -> set[EventId]:
    """The events that the states have for a key, as far as they have it."""
    return {state_set[key] for state_set in state_sets if key in state_set}
