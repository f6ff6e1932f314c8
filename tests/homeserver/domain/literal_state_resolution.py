"""The state resolution algorithms as the specification words them, without regard to cost.

This is what the tests hold the real ones against. Every definition is a function of its own; only
the authorisation rules and power levels are taken from the server.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey, StateMap
from homeserver.domain.identifiers import EventId
from homeserver.domain.power_levels import PowerLevels

State = dict[StateKey, Event]


def is_allowed(event: Event, state: Mapping[StateKey, Event], create_event: Event | None) -> bool:
    try:
        check_event_auth(event, state, create_event)
    except Forbidden:
        return False
    return True


def resolve_v1(state_sets: Sequence[StateMap], events: Mapping[EventId, Event]) -> StateMap:
    """Room version 1, "State resolution"."""
    values: dict[StateKey, set[EventId]] = {}
    for state_set in state_sets:
        for key, event_id in state_set.items():
            values.setdefault(key, set()).add(event_id)
    resolved = {key: next(iter(ids)) for key, ids in values.items() if len(ids) == 1}
    conflicts = {
        key: [events[event_id] for event_id in ids if event_id in events]
        for key, ids in values.items()
        if len(ids) > 1
    }

    def allowed(event: Event, base: StateMap) -> bool:
        keys = auth_event_keys(
            event.version, event.type, event.state_key, event.sender, event.content
        )
        state = {key: events[base[key]] for key in keys if base.get(key) in events}
        return is_allowed(event, state, state.get(("m.room.create", "")))

    def sha1(event: Event) -> str:
        return hashlib.sha1(event.event_id.encode()).hexdigest()

    for event_type in ("m.room.power_levels", "m.room.join_rules", "m.room.member"):
        base = dict(resolved)
        for key, candidates in conflicts.items():
            if key[0] != event_type or not candidates:
                continue
            descending_hash = sorted(candidates, key=sha1, reverse=True)
            first, *others = sorted(descending_hash, key=lambda event: event.depth)
            resolved[key] = first.event_id
            for event in others:
                if not allowed(event, {**base, key: resolved[key]}):
                    break
                resolved[key] = event.event_id

    base = dict(resolved)
    for key, candidates in conflicts.items():
        if key[0] in ("m.room.power_levels", "m.room.join_rules", "m.room.member"):
            continue
        passing = [event for event in candidates if allowed(event, base)]
        if passing:
            depth = max(event.depth for event in passing)
            deepest = [event for event in passing if event.depth == depth]
            resolved[key] = min(deepest, key=sha1).event_id
    return resolved


@attrs.frozen
class LiteralV2:
    """Room versions 2 and 12, "State resolution"; ``later`` says which of the two."""

    events: Mapping[EventId, Event]
    rejected: Collection[EventId]
    create_event: Event
    later: bool
    _chains: dict[EventId, frozenset[EventId]] = attrs.field(factory=dict, init=False)

    def resolve(self, state_sets: Sequence[StateMap]) -> StateMap:
        """The section "Algorithm", step by step."""
        unconflicted, conflicted = self.split(state_sets)
        full = conflicted | self.auth_difference(state_sets)
        if self.later:
            full |= self.conflicted_state_subgraph(conflicted)
        full = {event_id for event_id in full if event_id in self.events}

        power_events = {event_id for event_id in full if self.is_power_event(event_id)}
        selected = set(power_events)
        for event_id in power_events:
            selected |= self.auth_chain(event_id) & full
        initial = {} if self.later else unconflicted
        partial = self.iterative_auth_checks(initial, self.power_ordering(selected))
        power_levels = partial.get(("m.room.power_levels", ""))
        remaining = self.mainline_ordering(full - selected, power_levels)
        resolved = self.iterative_auth_checks(partial, remaining)
        return {**resolved, **unconflicted}

    def split(self, state_sets: Sequence[StateMap]) -> tuple[dict[StateKey, EventId], set[EventId]]:
        unconflicted: dict[StateKey, EventId] = {}
        conflicted: set[EventId] = set()
        for key in {key for state_set in state_sets for key in state_set}:
            values = {state_set.get(key) for state_set in state_sets}
            if len(values) == 1:
                unconflicted[key] = state_sets[0][key]
            else:
                conflicted |= {value for value in values if value is not None}
        return unconflicted, conflicted

    def auth_chain(self, event_id: EventId) -> frozenset[EventId]:
        if event_id not in self._chains:
            event = self.events.get(event_id)
            cited = () if event is None else event.auth_event_ids
            known = frozenset(one for one in cited if one in self.events)
            self._chains[event_id] = known.union(*(self.auth_chain(one) for one in known))
        return self._chains[event_id]

    def auth_difference(self, state_sets: Sequence[StateMap]) -> set[EventId]:
        """With the events of a state in its auth chain, as in the worked example of MSC1442."""
        first, *others = [
            set(state_set.values()).union(*map(self.auth_chain, state_set.values()))
            for state_set in state_sets
        ]
        return first.union(*others) - first.intersection(*others)

    def conflicted_state_subgraph(self, conflicted: set[EventId]) -> set[EventId]:
        subgraph = set()
        for start in conflicted:
            for end in conflicted & self.auth_chain(start):
                subgraph |= {start, end}
                subgraph |= {
                    event_id
                    for event_id in self.auth_chain(start)
                    if end in self.auth_chain(event_id)
                }
        return subgraph

    def is_power_event(self, event_id: EventId) -> bool:
        event = self.events[event_id]
        if event.type in ("m.room.power_levels", "m.room.join_rules"):
            return event.is_state
        return (
            event.type == "m.room.member"
            and event.content["membership"] in ("leave", "ban")
            and event.sender != event.state_key
        )

    def power_ordering(self, selected: set[EventId]) -> list[Event]:
        def rank(event_id: EventId) -> tuple[float, int, str]:
            event = self.events[event_id]
            return -self.sender_level(event), event.origin_server_ts, event_id

        ordering = []
        waiting = set(selected)
        while waiting:
            candidates = [one for one in waiting if not self.auth_chain(one) & waiting]
            smallest = min(candidates, key=rank)
            waiting.remove(smallest)
            ordering.append(self.events[smallest])
        return ordering

    def sender_level(self, event: Event) -> int:
        state = self.cited_state(event)
        power_levels = state.get(("m.room.power_levels", ""))
        create_event = self.create_event if self.later else state.get(("m.room.create", ""))
        if create_event is None:
            return 0
        content = None if power_levels is None else power_levels.content
        return PowerLevels.of(content, create_event).user_level(event.sender)

    def cited_state(self, event: Event) -> State:
        cited = [self.events[one] for one in event.auth_event_ids if one in self.events]
        return {one.state_map_key(): one for one in cited}

    def mainline_ordering(
        self, event_ids: set[EventId], power_levels: EventId | None
    ) -> list[Event]:
        mainline = []
        if power_levels is not None:
            mainline = [power_levels, *self.power_levels_before(power_levels)]

        def position(event_id: EventId) -> float:
            for earlier in self.power_levels_before(event_id):
                if earlier in mainline:
                    return mainline.index(earlier)
            return math.inf

        def rank(event_id: EventId) -> tuple[float, int, str]:
            return -position(event_id), self.events[event_id].origin_server_ts, event_id

        return [self.events[event_id] for event_id in sorted(event_ids, key=rank)]

    def power_levels_before(self, event_id: EventId) -> list[EventId]:
        if event_id not in self.events:
            return []
        before = self.cited_state(self.events[event_id]).get(("m.room.power_levels", ""))
        if before is None:
            return []
        return [before.event_id, *self.power_levels_before(before.event_id)]

    def iterative_auth_checks(
        self, initial: StateMap, ordered: Iterable[Event]
    ) -> dict[StateKey, EventId]:
        state = dict(initial)
        for event in ordered:
            usable: State = {}
            for key, cited in self.cited_state(event).items():
                if cited.event_id not in self.rejected:
                    usable[key] = cited
            keys = auth_event_keys(
                event.version, event.type, event.state_key, event.sender, event.content
            )
            for key in keys:
                if state.get(key) in self.events:
                    usable[key] = self.events[state[key]]
            usable = {key: usable[key] for key in keys if key in usable}
            create_event = self.create_event if self.later else usable.get(("m.room.create", ""))
            if is_allowed(event, usable, create_event):
                state[event.state_map_key()] = event.event_id
        return state
