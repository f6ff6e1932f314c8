"""Which state is required, as one list asks and as several do together."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.sync.sliding.required_state import RequiredState, StatePattern, StateRule
from homeserver.sync.sliding.room_configs import RoomConfig, combined

MEMBER = "m.room.member"
ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")
STATE = {("m.room.create", ""): 1, ("m.room.name", ""): 1, ("org.example", "a"): 1}
NOT_MEMBERS = set(STATE)
EVERYONE = {(MEMBER, ALICE), (MEMBER, BOB)}


def rule(
    *include: StatePattern, exclude: tuple[StatePattern, ...] = (), lazy: bool = False
) -> StateRule:
    return StateRule(frozenset(include), frozenset(exclude), lazy)


def places(*rules: StateRule) -> set[tuple[str, str]]:
    return set(RequiredState.of(*rules).places(STATE, [ALICE, BOB]))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], set()),
        ([rule()], set()),
        ([rule(("m.room.name", ""))], {("m.room.name", "")}),
        ([rule(("m.room.topic", ""))], set()),
        ([rule(("org.example", None))], {("org.example", "a")}),
        ([rule((None, "a"))], {("org.example", "a")}),
        ([rule((None, None))], NOT_MEMBERS | EVERYONE),
        ([rule((MEMBER, None))], EVERYONE),
        ([rule((MEMBER, BOB))], {(MEMBER, BOB)}),
        ([rule((None, BOB))], {(MEMBER, BOB)}),
        ([rule((None, None), lazy=True)], NOT_MEMBERS),
        ([rule((None, None), (MEMBER, BOB), lazy=True)], NOT_MEMBERS | {(MEMBER, BOB)}),
        ([rule((MEMBER, None), lazy=True)], set()),
        (
            [rule((None, None), exclude=(("m.room.create", ""), (MEMBER, None)))],
            NOT_MEMBERS - {("m.room.create", "")},
        ),
        ([rule((None, None), exclude=((None, None),))], set()),
        ([rule((None, None), exclude=((None, ""),))], {("org.example", "a"), *EVERYONE}),
        (
            [rule((None, None), exclude=(("m.room.create", ""),)), rule(("m.room.create", ""))],
            NOT_MEMBERS | EVERYONE,
        ),
        ([rule((None, None), lazy=True), rule((MEMBER, None))], NOT_MEMBERS | EVERYONE),
    ],
)
def test_places_that_are_required(rules: list[StateRule], expected: set[tuple[str, str]]) -> None:
    found = places(*rules)
    existing = {place for place in found if place in STATE or place in EVERYONE}
    assert existing == expected
    required = RequiredState.of(*rules)
    assert {key for key in [*STATE, *EVERYONE] if required.matches(*key)} == expected


@pytest.mark.parametrize(
    ("rules", "lazy"),
    [
        ([rule((None, None), lazy=True)], True),
        ([rule(lazy=True)], True),
        ([rule((None, None))], False),
        ([rule((None, None), lazy=True), rule(("m.room.name", ""))], True),
        ([rule((None, None), lazy=True), rule((MEMBER, None))], False),
        ([rule((None, None), lazy=True), rule((MEMBER, None), exclude=((MEMBER, None),))], True),
    ],
)
def test_members_are_loaded_lazily_unless_all_are_required(
    rules: list[StateRule], *, lazy: bool
) -> None:
    assert RequiredState.of(*rules).lazy is lazy


def test_configs_combine_to_the_superset() -> None:
    name, topic = rule(("m.room.name", "")), rule(("m.room.topic", ""))
    small = RoomConfig(1, RequiredState.of(name))
    large = RoomConfig(20, RequiredState.of(topic))
    assert combined((small,)) is small
    both = combined((small, large))
    assert both == RoomConfig(20, RequiredState.of(name, topic))
    assert both.expands(small)
    assert both.expands(large)
    assert not small.expands(both)
    assert not both.expands(both)
    assert RoomConfig(20, RequiredState.of(name)).expands(small)


def test_what_is_remembered_of_configs_is_bounded() -> None:
    known = RoomConfig()
    for n in range(100):
        known = known.widened_by(RoomConfig(5, RequiredState.of(rule((f"type{n}", "")))))
        assert known.required_state.matches(f"type{n}", "")
        assert len(known.required_state.rules) <= 16
