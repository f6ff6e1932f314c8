from __future__ import annotations

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId
from homeserver.domain.state_resolution.auth_chains import (
    auth_chain,
    auth_difference,
    events_between,
)
from homeserver.domain.state_resolution.mainline import mainline_order
from homeserver.domain.state_resolution.power_ordering import reverse_topological_power_order
from tests.homeserver.domain.event_factory import ALICE, START, Room


class Graph:
    """Events that cite each other in ``auth_events`` and have nothing else to say."""

    def __init__(self) -> None:
        self.room = Room("12")
        self.levels: dict[Event, int] = {}

    def add(self, *auth_events: Event, level: int = 0, ts: int = 0) -> Event:
        """An event that is at a position by its sender's power ``level`` and its time."""
        event = self._make("org.example.state", *auth_events, ts=ts)
        self.levels[event] = level
        return event

    def add_power_levels(self, *auth_events: Event) -> Event:
        return self._make("m.room.power_levels", *auth_events, ts=0)

    def _make(self, event_type: str, *auth_events: Event, ts: int) -> Event:
        number = len(self.room.events)
        return self.room.make(
            event_type,
            ALICE,
            {"number": number},
            state_key="",
            auth_events=auth_events,
            ts=START + ts,
        )

    def power_order(self, *selected: Event) -> list[Event]:
        ids = {event.event_id for event in selected}
        return reverse_topological_power_order(ids, self.room.events, self.levels.__getitem__)

    def mainline_order(self, unordered: list[Event], power_levels: Event | None) -> list[Event]:
        return mainline_order(unordered, power_levels, self.room.events)


def test_an_event_comes_after_those_it_cites() -> None:
    graph = Graph()
    first = graph.add(level=0, ts=9)
    second = graph.add(first, level=100, ts=0)
    assert graph.power_order(second, first) == [first, second]


def test_an_event_comes_after_those_it_cites_by_way_of_others_that_are_not_selected() -> None:
    graph = Graph()
    first = graph.add(level=0, ts=9)
    between = graph.add(graph.add(first))
    second = graph.add(between, level=100, ts=0)
    assert graph.power_order(second, first) == [first, second]


def test_power_comes_before_time_and_time_before_the_id() -> None:
    graph = Graph()
    weak = graph.add(level=1, ts=0)
    later = graph.add(level=2, ts=2)
    same_time = [graph.add(level=2, ts=1), graph.add(level=2, ts=1)]
    expected = [*sorted(same_time, key=lambda event: event.event_id), later, weak]
    assert graph.power_order(weak, later, *same_time) == expected


def test_each_step_picks_the_least_of_all_that_are_free() -> None:
    graph = Graph()
    a = graph.add(level=4)
    b = graph.add(a, level=3)
    c = graph.add(b, level=2)
    d = graph.add(a, level=1)
    assert graph.power_order(d, c, b, a) == [a, b, c, d]


def test_events_are_ordered_by_the_mainline_that_they_stand_on() -> None:
    graph = Graph()
    old = graph.add_power_levels()
    middle = graph.add_power_levels(old)
    new = graph.add_power_levels(middle)
    fork = graph.add_power_levels(graph.add_power_levels(old))
    on_new = graph.add(new, ts=0)
    on_fork = graph.add(fork, ts=1)
    on_middle = graph.add(middle, ts=2)
    on_old = graph.add(old, ts=3)
    on_none = graph.add(ts=4)
    unordered = [on_new, on_middle, on_old, on_fork, on_none]
    expected = [on_none, on_fork, on_old, on_middle, on_new]
    assert graph.mainline_order(unordered, new) == expected


def test_power_levels_stand_where_those_before_them_stand() -> None:
    graph = Graph()
    old = graph.add_power_levels()
    new = graph.add_power_levels(old)
    on_old = graph.add(old, ts=-1)
    on_new = graph.add(new, ts=-2)
    assert graph.mainline_order([on_new, new, on_old], new) == [on_old, new, on_new]


def test_without_a_mainline_time_and_id_decide() -> None:
    graph = Graph()
    power_levels = graph.add_power_levels()
    later = graph.add(ts=2)
    same_time = [graph.add(power_levels, ts=1), graph.add(ts=1)]
    expected = [*sorted(same_time, key=lambda event: event.event_id), later]
    assert graph.mainline_order([later, *same_time], None) == expected


def test_an_auth_chain_has_the_events_that_are_led_to() -> None:
    graph = Graph()
    a = graph.add()
    b = graph.add(a)
    c = graph.add(b)
    assert auth_chain([c.event_id], graph.room.events) == {a.event_id, b.event_id}
    assert auth_chain([b.event_id, a.event_id], graph.room.events) == {a.event_id}


def test_the_auth_difference_leaves_out_unconflicted_events_and_what_they_lead_to() -> None:
    graph = Graph()
    shared = graph.add()
    own = graph.add()
    unconflicted = graph.add(shared)
    conflicted = graph.add(shared, own, unconflicted)
    sets = [{conflicted.event_id}, set[EventId]()]
    events = graph.room.events
    assert auth_difference(sets, [unconflicted.event_id], events) == {own.event_id}
    all_three = {own.event_id, shared.event_id, unconflicted.event_id}
    assert auth_difference(sets, [], events) == all_three


def test_events_are_between_on_paths_from_end_to_end() -> None:
    graph = Graph()
    bottom = graph.add()
    older = graph.add(bottom)
    middle = graph.add(older)
    beside = graph.add(bottom)
    newer = graph.add(middle, beside)
    ends = {older.event_id, newer.event_id}
    assert events_between(ends, graph.room.events) == {older.event_id, middle.event_id}


def test_long_chains_are_walked() -> None:
    graph = Graph()
    power_levels = [graph.add_power_levels()]
    for _ in range(3000):
        power_levels.append(graph.add_power_levels(power_levels[-1]))
    graph.levels = dict.fromkeys(power_levels, 0)
    first, last = power_levels[0], power_levels[-1]
    assert graph.power_order(last, first) == [first, last]
    assert graph.mainline_order([last, power_levels[1]], last) == [power_levels[1], last]
