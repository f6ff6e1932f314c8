"""The iterative auth checks.

Specification: room versions 2 and 12, "State resolution", "Definitions".
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import attrs

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey, StateMap
from homeserver.domain.identifiers import EventId


@attrs.frozen(eq=False)
class IterativeAuthChecks:
    """A state that grows by the events which it allows."""

    initial: StateMap
    events: Mapping[EventId, Event]
    rejected: Container[EventId]
    implied_create_event: Event | None
    """The create event where events do not name it in ``auth_events``."""
    added: dict[StateKey, EventId] = attrs.field(factory=dict, init=False)
    """What was allowed, to be put on top of the initial state."""

    def apply(self, ordered: Iterable[Event]) -> None:
        """Add each event to the state, unless the authorisation rules forbid it there."""
        for event in ordered:
            state = self._authorising_state(event)
            create_event = state.get(("m.room.create", ""), self.implied_create_event)
            try:
                check_event_auth(event, state, create_event)
            except Forbidden:
                continue  # the algorithm ignores such an event
            self.added[event.state_map_key()] = event.event_id

    def current(self, key: StateKey) -> Event | None:
        """The event that the state has at ``key``."""
        event_id = self.added.get(key) or self.initial.get(key)
        return None if event_id is None else self.events.get(event_id)

    def _authorising_state(self, event: Event) -> dict[StateKey, Event]:
        """What authorises the event: from the state, else from its own ``auth_events``."""
        cited = self._cited_state(event)
        keys = auth_event_keys(
            event.version, event.type, event.state_key, event.sender, event.content
        )
        found = {key: self.current(key) or cited.get(key) for key in keys}
        return {key: current for key, current in found.items() if current is not None}

    def _cited_state(self, event: Event) -> dict[StateKey, Event]:
        cited = [
            self.events[event_id]
            for event_id in event.auth_event_ids
            if event_id in self.events and event_id not in self.rejected
        ]
        return {found.state_map_key(): found for found in cited if found.is_state}
