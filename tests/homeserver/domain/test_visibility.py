from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.membership import Membership
from homeserver.domain.visibility import (
    HistoryVisibility,
    may_peek_at_event,
    may_see_event,
    parse_history_visibility,
)

ALL = list(Membership)
WORLD_READABLE, SHARED, INVITED, JOINED = HistoryVisibility
JOIN, INVITE, LEAVE, BAN, KNOCK = Membership


@pytest.mark.parametrize("visibility", list(HistoryVisibility))
def test_the_visibility_is_that_of_the_event(visibility: HistoryVisibility) -> None:
    assert parse_history_visibility({"history_visibility": visibility.value}) is visibility


@pytest.mark.parametrize(
    "content", [None, {}, {"history_visibility": None}, {"history_visibility": "secret"}]
)
def test_the_visibility_is_shared_by_default(content: dict[str, Any] | None) -> None:
    assert parse_history_visibility(content) is SHARED


@pytest.mark.parametrize("joined_later", [True, False])
@pytest.mark.parametrize("membership", ALL)
@pytest.mark.parametrize("visibility", list(HistoryVisibility))
def test_the_five_rules(
    visibility: HistoryVisibility, membership: Membership, joined_later: bool
) -> None:
    allowed = (
        visibility is WORLD_READABLE
        or membership is JOIN
        or (visibility is SHARED and joined_later)
        or (membership is INVITE and visibility is INVITED)
    )
    assert (
        may_see_event(visibility=visibility, membership=membership, joined_later=joined_later)
        == allowed
    )


def test_a_member_who_left_does_not_see_what_came_after() -> None:
    assert not may_see_event(visibility=SHARED, membership=LEAVE, joined_later=False)


def test_a_member_who_came_late_sees_shared_history_only() -> None:
    assert may_see_event(visibility=SHARED, membership=LEAVE, joined_later=True)
    assert not may_see_event(visibility=JOINED, membership=LEAVE, joined_later=True)
    assert not may_see_event(visibility=INVITED, membership=LEAVE, joined_later=True)


@pytest.mark.parametrize("hidden", [JOINED, INVITED, SHARED])
def test_a_change_of_visibility_is_seen_if_the_old_or_the_new_one_allows(
    hidden: HistoryVisibility,
) -> None:
    for old, new in ((WORLD_READABLE, hidden), (hidden, WORLD_READABLE)):
        assert may_see_event(
            visibility=old, new_visibility=new, membership=LEAVE, joined_later=False
        )
    assert not may_see_event(
        visibility=hidden, new_visibility=hidden, membership=LEAVE, joined_later=False
    )


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        (LEAVE, JOIN, True),
        (INVITE, JOIN, True),
        (JOIN, JOIN, True),
        (JOIN, LEAVE, True),
        (JOIN, BAN, True),
        (LEAVE, INVITE, False),
        (INVITE, LEAVE, False),
        (LEAVE, BAN, False),
        (LEAVE, KNOCK, False),
    ],
)
def test_the_own_membership_event_is_seen_if_the_old_or_the_new_one_allows(
    old: Membership, new: Membership, seen: bool
) -> None:
    assert (
        may_see_event(visibility=JOINED, membership=old, new_membership=new, joined_later=False)
        == seen
    )


def test_an_invited_user_sees_the_own_invite_under_invited_visibility() -> None:
    assert may_see_event(
        visibility=INVITED, membership=LEAVE, new_membership=INVITE, joined_later=False
    )


def test_only_world_readable_events_are_peeked_at() -> None:
    assert may_peek_at_event(WORLD_READABLE)
    assert may_peek_at_event(WORLD_READABLE, SHARED)
    assert may_peek_at_event(SHARED, WORLD_READABLE)
    assert not may_peek_at_event(SHARED)
    assert not may_peek_at_event(JOINED, INVITED)
