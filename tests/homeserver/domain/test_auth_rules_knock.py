from __future__ import annotations

import pytest

from homeserver.domain.events import Event
from tests.homeserver.domain.authorising import assert_forbidden, is_allowed, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, Branch, a_room


def knock_of_bob(branch: Branch) -> Event:
    return branch.draft("m.room.member", BOB, {"membership": "knock"}, BOB)


@versions(last=6)
def test_knocking_is_unknown_before_version_7(version: str) -> None:
    branch = a_room(version, join_rule="knock")
    assert_forbidden(branch, knock_of_bob(branch), "membership is unknown")


@versions(first=7)
def test_anybody_knocks_where_the_join_rule_is_knock(version: str) -> None:
    branch = a_room(version, join_rule="knock")
    assert is_allowed(branch, knock_of_bob(branch))


@versions(first=7)
def test_knock_restricted_allows_knocks_since_version_10(version: str) -> None:
    branch = a_room(version, join_rule="knock_restricted")
    assert is_allowed(branch, knock_of_bob(branch)) == (int(version) >= 10)


@versions(first=7)
@pytest.mark.parametrize("join_rule", ["public", "invite", "restricted", "private"])
def test_other_join_rules_do_not_allow_knocks(version: str, join_rule: str) -> None:
    branch = a_room(version, join_rule=join_rule)
    assert_forbidden(branch, knock_of_bob(branch), "does not allow to knock")


@versions(first=7)
def test_nobody_knocks_for_somebody_else(version: str) -> None:
    branch = a_room(version, join_rule="knock")
    event = branch.draft("m.room.member", ALICE, {"membership": "knock"}, BOB)
    assert_forbidden(branch, event, "may not knock for @bob:b.example")


@versions(first=7)
@pytest.mark.parametrize("before", ["invite", "join", "ban"])
def test_a_knock_is_refused_from_those_who_are_in_or_out_for_good(
    version: str, before: str
) -> None:
    branch = a_room(version, join_rule="knock")
    branch.membership(ALICE, BOB, before)
    assert_forbidden(branch, knock_of_bob(branch), f"with the membership {before}")


@versions(first=7)
@pytest.mark.parametrize("before", ["leave", "knock"])
def test_who_left_or_knocked_before_knocks_again(version: str, before: str) -> None:
    branch = a_room(version, join_rule="knock")
    branch.membership(BOB, BOB, before)
    assert is_allowed(branch, knock_of_bob(branch))
