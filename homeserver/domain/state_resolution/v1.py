"""The state resolution algorithm of room version 1.

Specification: room version 1, "State resolution".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey, StateMap
from homeserver.domain.identifiers import EventId
from homeserver.domain.state_resolution.conflicts import differing_keys, events_at, without_keys

_AUTHORISING_TYPES: Final = ("m.room.power_levels", "m.room.join_rules", "m.room.member")


def resolve_v1(
    state_sets: Sequence[StateMap], events: Mapping[EventId, Event]
) -> dict[StateKey, EventId]:
    """Resolve states that differ. An entry that only some of them have is not in conflict."""
    differing = differing_keys(state_sets)
    resolution = _Resolution(without_keys(state_sets[0], differing), events)
    conflicts: dict[StateKey, list[Event]] = {}
    for key in differing:
        candidates = events_at(state_sets, key)
        if len(candidates) == 1:
            resolution.resolved[key] = candidates.pop()
        else:
            known = [events[event_id] for event_id in candidates if event_id in events]
            conflicts[key] = sorted(known, key=_depth_and_hash)

    for event_type in _AUTHORISING_TYPES:
        of_type = {key: found for key, found in conflicts.items() if key[0] == event_type}
        # Each is resolved without the results of the others, so their order does not matter.
        resolution.add({key: resolution.last_of_chain(found) for key, found in of_type.items()})
    others = {key: found for key, found in conflicts.items() if key[0] not in _AUTHORISING_TYPES}
    resolution.add({key: resolution.deepest_allowed(found) for key, found in others.items()})
    return resolution.resolved


def _depth_and_hash(event: Event) -> tuple[int, int]:
    """A key to sort by ascending depth and then by descending SHA-1 of the event ID."""
    digest = hashlib.sha1(event.event_id.encode(), usedforsecurity=False).digest()
    return event.depth, -int.from_bytes(digest, "big")


@attrs.frozen(eq=False)
class _Resolution:
    """The state resolved so far, which the specification calls R."""

    resolved: dict[StateKey, EventId]
    events: Mapping[EventId, Event]

    def add(self, winners: Mapping[StateKey, Event | None]) -> None:
        self.resolved.update(
            {key: event.event_id for key, event in winners.items() if event is not None}
        )

    def last_of_chain(self, candidates: Sequence[Event]) -> Event | None:
        """The last event that is reached when each has to be allowed with the one before in place.

        The first one is taken as it is.
        """
        winner: Event | None = None
        for event in candidates:
            if winner is not None and not self._allows(event, winner):
                break
            winner = event
        return winner

    def deepest_allowed(self, candidates: Sequence[Event]) -> Event | None:
        for event in reversed(candidates):
            if self._allows(event):
                return event
        return None

    def _allows(self, event: Event, in_place: Event | None = None) -> bool:
        """Whether the authorisation rules allow ``event`` in this state with ``in_place`` added."""
        keys = auth_event_keys(
            event.version, event.type, event.state_key, event.sender, event.content
        )
        found = {key: self.events.get(self.resolved[key]) for key in keys if key in self.resolved}
        state = {key: current for key, current in found.items() if current is not None}
        if in_place is not None:
            state[in_place.state_map_key()] = in_place
        try:
            check_event_auth(event, state, state.get(("m.room.create", "")))
        except Forbidden:
            return False
        return True
