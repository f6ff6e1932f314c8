from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.membership import Membership, membership_of, parse_membership
from tests.homeserver.domain.event_factory import ALICE, BOB, a_room


@pytest.mark.parametrize("membership", ["join", "invite", "leave", "ban", "knock"])
def test_memberships_are_their_names(membership: str) -> None:
    assert parse_membership({"membership": membership}) == Membership(membership) == membership


@pytest.mark.parametrize("content", [{}, {"membership": None}, {"membership": "watch"}])
def test_what_is_no_membership_is_none(content: dict[str, Any]) -> None:
    assert parse_membership(content) is None


def test_who_never_was_in_the_room_is_as_who_left() -> None:
    branch = a_room()
    assert membership_of(branch.state.get(("m.room.member", BOB))) is Membership.LEAVE
    assert membership_of(branch.state["m.room.member", ALICE]) is Membership.JOIN


def test_an_unknown_membership_is_as_having_left() -> None:
    assert membership_of(a_room().membership(BOB, BOB, "watch")) is Membership.LEAVE
