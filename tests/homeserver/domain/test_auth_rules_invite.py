from __future__ import annotations

import pytest

from homeserver.domain.events import Event
from homeserver.domain.identifiers import UserId
from tests.homeserver.domain.authorising import assert_forbidden, is_allowed, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Branch, a_room


def invite_of(target: str, sender: UserId, branch: Branch) -> Event:
    return branch.draft("m.room.member", sender, {"membership": "invite"}, target)


@versions()
def test_any_member_invites_by_default(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    assert is_allowed(branch, invite_of(CAROL, BOB, branch))


@versions()
@pytest.mark.parametrize("before", ["nothing", "invite", "leave", "ban"])
def test_only_members_invite(version: str, before: str) -> None:
    branch = a_room(version)
    if before != "nothing":
        branch.membership(ALICE, BOB, before)
    assert_forbidden(branch, invite_of(CAROL, BOB, branch), "@bob:b.example is not joined")


@versions()
def test_inviting_takes_the_invite_level(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    branch.join(CAROL)
    branch.set_power_levels(ALICE, {BOB: 9, CAROL: 10}, invite=10)
    assert_forbidden(branch, invite_of("@x:x.example", BOB, branch), "has power level 9 and needs")
    assert is_allowed(branch, invite_of("@x:x.example", CAROL, branch))


@versions()
def test_members_are_not_invited(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    assert_forbidden(branch, invite_of(BOB, ALICE, branch), "already in the room")


@versions()
def test_the_banned_are_not_invited(version: str) -> None:
    branch = a_room(version)
    branch.ban(ALICE, BOB)
    assert_forbidden(branch, invite_of(BOB, ALICE, branch), "banned")


@versions()
def test_the_invited_are_invited_again(version: str) -> None:
    branch = a_room(version)
    branch.invite(ALICE, BOB)
    assert is_allowed(branch, invite_of(BOB, ALICE, branch))


@versions(first=7)
def test_who_knocks_is_let_in_by_an_invite(version: str) -> None:
    branch = a_room(version, join_rule="knock")
    branch.knock(BOB)
    assert is_allowed(branch, invite_of(BOB, ALICE, branch))
