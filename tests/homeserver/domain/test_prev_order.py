"""Events in an order in which each comes after those that it follows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.events import Event
from homeserver.domain.prev_order import ancestors_among, in_prev_order
from tests.homeserver.domain.event_factory import ALICE, Room


@st.composite
def graphs(draw: st.DrawFn) -> list[Event]:
    """Events that follow some of those before them."""
    room = Room("11")
    events = [room.create]
    for _ in range(draw(st.integers(0, 8))):
        prevs = draw(st.lists(st.sampled_from(events), min_size=1, max_size=3, unique=True))
        events.append(room.make("m.room.message", ALICE, {"n": len(events)}, prev_events=prevs))
    return events


@given(graphs(), st.randoms())
def test_each_event_comes_after_those_that_it_follows(events: list[Event], random: object) -> None:
    shuffled = [*events, *events]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ordered = in_prev_order(shuffled)
    assert sorted(ordered, key=events.index) == events
    place = {event.event_id: index for index, event in enumerate(ordered)}
    for event in ordered:
        assert all(place[prev] < place[event.event_id] for prev in event.prev_event_ids)


@given(graphs(), st.data())
def test_ancestors_are_those_that_are_followed(events: list[Event], data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(events))
    found = ancestors_among([start.event_id], events)
    ids = {event.event_id for event in found}
    assert start.event_id in ids
    assert all(prev in ids for event in found for prev in event.prev_event_ids)
    assert ancestors_among(["$unknown"], events) == []  # type: ignore[list-item]


def test_events_in_a_circle_are_left_out() -> None:
    room = Room("1")
    first = room.make("m.room.message", ALICE, {"n": 1}, prev_events=[room.create])
    second = room.make("m.room.message", ALICE, {"n": 2}, prev_events=[first])
    pdu = first.pdu.replace(room.create.event_id.encode(), second.event_id.encode())
    circle = Event.from_pdu(pdu, first.version, first.event_id)
    assert in_prev_order([room.create, circle, second]) == [room.create]
