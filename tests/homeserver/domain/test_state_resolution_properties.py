"""Random rooms, resolved by the server and by the letter of the specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeserver.domain.events import Event, StateMap
from homeserver.domain.identifiers import EventId, UserId
from homeserver.domain.state_resolution import resolve_state
from tests.homeserver.domain.authorising import is_allowed
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, DAVE, START, Branch, a_room
from tests.homeserver.domain.literal_state_resolution import LiteralV2, resolve_v1

USERS = [ALICE, BOB, CAROL, DAVE]
STEPS = ["fork", "join", "leave", "ban", "kick", "invite", "levels", "join rule", "topic", "stale"]

versions_of_each_algorithm = pytest.mark.parametrize("version", ["1", "2", "11", "12"])
a_few_seconds = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@attrs.frozen
class Step:
    """Something that happens on a branch: the numbers are used modulo what there is."""

    kind: str
    branch: int
    sender: UserId
    target: UserId
    value: int
    seconds: int


steps = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(STEPS),
        branch=st.integers(0, 3),
        sender=st.sampled_from(USERS),
        target=st.sampled_from(USERS),
        value=st.integers(0, 3),
        seconds=st.integers(0, 4),
    ),
    min_size=15,
    max_size=30,
)


def branches_of(version: str, happening: Sequence[Step]) -> list[Branch]:
    """A room of Alice and Bob, and what its branches have become."""
    trunk = a_room(version)
    trunk.join(BOB)
    trunk.set_power_levels(ALICE, {BOB: 50})
    branches = [trunk, trunk.fork()]
    for step in happening:
        branch = branches[step.branch % len(branches)]
        if step.kind == "fork":
            if len(branches) < 4:
                branches.append(branch.fork())
        elif step.kind == "stale":
            forget_a_change(branch, step.value)
        else:
            event = next_event(branch, step)
            if is_allowed(branch, event):
                branch.add(event)
    return branches


def forget_a_change(branch: Branch, number: int) -> None:
    """Put an entry of the state back to what it was, as by a server that got it wrong."""
    events = branch.room.events.values()
    replaced = [
        event
        for event in events
        if event.is_state
        and event.type != "m.room.create"
        and branch.state.get(event.state_map_key()) not in (None, event)
    ]
    if replaced:
        event = replaced[number % len(replaced)]
        branch.state[event.state_map_key()] = event


def next_event(branch: Branch, step: Step) -> Event:
    ts = START + 1000 * step.seconds
    sender, target = step.sender, step.target
    match step.kind:
        case "join" | "leave" as membership:
            content = {"membership": str(membership)}
            return branch.draft("m.room.member", sender, content, sender, ts=ts)
        case "ban" | "invite" | "kick" as action:
            content = {"membership": "leave" if action == "kick" else str(action)}
            return branch.draft("m.room.member", sender, content, target, ts=ts)
        case "levels":
            users = {target: 25 * step.value}
            if branch.room.version.privileged_creators:
                users.pop(ALICE, None)
            else:
                users = {ALICE: 100, **users}
            users = {**branch.state["m.room.power_levels", ""].content["users"], **users}
            return branch.draft("m.room.power_levels", sender, {"users": users}, "", ts=ts)
        case "join rule":
            join_rule = ["public", "invite"][step.value % 2]
            return branch.draft("m.room.join_rules", sender, {"join_rule": join_rule}, "", ts=ts)
    return branch.draft("m.room.topic", sender, {"topic": str(step.value)}, "", ts=ts)


def literally(
    branch: Branch,
    state_sets: Sequence[StateMap],
    events: Mapping[EventId, Event],
    rejected: frozenset[EventId] = frozenset(),
) -> StateMap:
    version = branch.room.version.identifier
    if version == "1":
        return resolve_v1(state_sets, events)
    literal = LiteralV2(events, rejected, branch.room.create, later=version == "12")
    return literal.resolve(state_sets)


@versions_of_each_algorithm
@given(happening=steps)
@a_few_seconds
def test_the_result_is_that_of_the_specification(version: str, happening: list[Step]) -> None:
    branches = branches_of(version, happening)
    room = branches[0].room
    state_sets = [branch.state_map for branch in branches]
    resolved = resolve_state(room.version, state_sets, room.events)
    assert resolved == literally(branches[0], state_sets, room.events)


@pytest.mark.parametrize("version", ["2", "12"])
@given(happening=steps, data=st.data())
@a_few_seconds
def test_rejected_events_count_as_the_specification_has_it(
    version: str, happening: list[Step], data: st.DataObject
) -> None:
    branches = branches_of(version, happening)
    room = branches[0].room
    rejected = data.draw(st.frozensets(st.sampled_from(sorted(room.events))))
    state_sets = [branch.state_map for branch in branches]
    resolved = resolve_state(room.version, state_sets, room.events, rejected)
    assert resolved == literally(branches[0], state_sets, room.events, rejected)


@versions_of_each_algorithm
@given(happening=steps, data=st.data())
@a_few_seconds
def test_missing_events_are_passed_over(
    version: str, happening: list[Step], data: st.DataObject
) -> None:
    branches = branches_of(version, happening)
    room = branches[0].room
    missing = data.draw(st.frozensets(st.sampled_from(sorted(room.events)), max_size=5))
    known = {
        event_id: event
        for event_id, event in room.events.items()
        if event_id not in missing or event is room.create
    }
    state_sets = [branch.state_map for branch in branches]
    resolved = resolve_state(room.version, state_sets, known)
    assert resolved == literally(branches[0], state_sets, known)


@versions_of_each_algorithm
@given(happening=steps, data=st.data())
@a_few_seconds
def test_the_order_and_number_of_equal_states_do_not_matter(
    version: str, happening: list[Step], data: st.DataObject
) -> None:
    branches = branches_of(version, happening)
    room = branches[0].room
    state_sets = [branch.state_map for branch in branches]
    shuffled = data.draw(st.permutations([*state_sets, data.draw(st.sampled_from(state_sets))]))
    resolved = resolve_state(room.version, state_sets, room.events)
    assert resolve_state(room.version, shuffled, room.events) == resolved


@versions_of_each_algorithm
@given(happening=steps)
@a_few_seconds
def test_what_all_states_agree_on_stays(version: str, happening: list[Step]) -> None:
    branches = branches_of(version, happening)
    room = branches[0].room
    state_sets = [branch.state_map for branch in branches]
    resolved = resolve_state(room.version, state_sets, room.events)
    agreed = set.intersection(*(set(state_set.items()) for state_set in state_sets))
    assert agreed <= set(resolved.items())
    assert resolve_state(room.version, [resolved], room.events) == resolved
    assert resolve_state(room.version, [resolved, dict(resolved)], room.events) == resolved
