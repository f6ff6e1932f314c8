from __future__ import annotations

import pytest

from homeserver.domain.events import Event
from homeserver.domain.identifiers import UserId
from tests.homeserver.domain.authorising import assert_forbidden, is_allowed, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Branch, Room, a_room


def leave_of(target: UserId, sender: UserId, branch: Branch) -> Event:
    return branch.draft("m.room.member", sender, {"membership": "leave"}, target)


def ban_of(target: UserId, sender: UserId, branch: Branch) -> Event:
    return branch.draft("m.room.member", sender, {"membership": "ban"}, target)


def a_moderated_room(version: str) -> Branch:
    """A room of Bob, who may kick with 50 and ban with 60 and has that, and Carol."""
    branch = a_room(version)
    branch.join(BOB)
    branch.join(CAROL)
    branch.set_power_levels(ALICE, {BOB: 60}, kick=50, ban=60)
    return branch


@versions()
def test_a_member_leaves(version: str) -> None:
    branch = a_moderated_room(version)
    assert is_allowed(branch, leave_of(CAROL, CAROL, branch))


@versions()
def test_an_invited_user_rejects_the_invite(version: str) -> None:
    branch = a_room(version, join_rule="invite")
    branch.invite(ALICE, BOB)
    assert is_allowed(branch, leave_of(BOB, BOB, branch))


@versions()
@pytest.mark.parametrize("before", ["nothing", "leave", "ban"])
def test_who_is_not_in_the_room_cannot_leave_it(version: str, before: str) -> None:
    branch = a_room(version)
    if before != "nothing":
        branch.membership(ALICE, BOB, before)
    assert_forbidden(branch, leave_of(BOB, BOB, branch), "not in the room")


@versions()
def test_a_knock_is_retracted_in_versions_that_have_knocks(version: str) -> None:
    branch = a_room(version, join_rule="knock")
    branch.knock(BOB)
    assert is_allowed(branch, leave_of(BOB, BOB, branch)) == (int(version) >= 7)


@versions()
def test_a_moderator_kicks(version: str) -> None:
    branch = a_moderated_room(version)
    assert is_allowed(branch, leave_of(CAROL, BOB, branch))


@versions()
def test_kicking_takes_the_kick_level(version: str) -> None:
    branch = a_moderated_room(version)
    branch.set_power_levels(ALICE, {BOB: 49}, kick=50)
    assert_forbidden(
        branch, leave_of(CAROL, BOB, branch), "has power level 49 and needs 50 to kick"
    )


@versions()
@pytest.mark.parametrize("level", [60, 70])
def test_a_moderator_does_not_kick_those_of_as_much_power(version: str, level: int) -> None:
    branch = a_moderated_room(version)
    branch.set_power_levels(ALICE, {BOB: 60, CAROL: level})
    assert_forbidden(branch, leave_of(CAROL, BOB, branch), "as much power")


@versions()
def test_only_members_kick(version: str) -> None:
    branch = a_moderated_room(version)
    branch.leave(BOB)
    assert_forbidden(branch, leave_of(CAROL, BOB, branch), "@bob:b.example is not joined")


@versions()
def test_a_moderator_revokes_an_invite(version: str) -> None:
    branch = a_moderated_room(version)
    branch.leave(CAROL)
    branch.invite(ALICE, CAROL)
    assert is_allowed(branch, leave_of(CAROL, BOB, branch))


@versions()
def test_unbanning_takes_both_the_ban_level_and_the_kick_level(version: str) -> None:
    branch = a_moderated_room(version)
    branch.ban(BOB, CAROL)
    assert is_allowed(branch, leave_of(CAROL, BOB, branch))
    branch.set_power_levels(ALICE, {BOB: 59}, kick=50, ban=60)
    assert_forbidden(branch, leave_of(CAROL, BOB, branch), "needs 60 to unban")
    branch.set_power_levels(ALICE, {BOB: 59}, kick=60, ban=50)
    assert_forbidden(branch, leave_of(CAROL, BOB, branch), "needs 60 to kick")


@versions()
def test_a_moderator_bans_members_and_strangers(version: str) -> None:
    branch = a_moderated_room(version)
    assert is_allowed(branch, ban_of(CAROL, BOB, branch))
    assert is_allowed(branch, ban_of(UserId("@x:x.example"), BOB, branch))


@versions()
def test_banning_takes_the_ban_level(version: str) -> None:
    branch = a_moderated_room(version)
    branch.set_power_levels(ALICE, {BOB: 59}, kick=50, ban=60)
    assert_forbidden(branch, ban_of(CAROL, BOB, branch), "needs 60 to ban")


@versions()
def test_a_moderator_does_not_ban_those_of_as_much_power(version: str) -> None:
    branch = a_moderated_room(version)
    branch.set_power_levels(ALICE, {BOB: 60, CAROL: 60})
    assert_forbidden(branch, ban_of(CAROL, BOB, branch), "as much power")


@versions()
def test_only_members_ban(version: str) -> None:
    branch = a_moderated_room(version)
    branch.leave(BOB)
    assert_forbidden(branch, ban_of(CAROL, BOB, branch), "@bob:b.example is not joined")


@versions()
def test_nobody_bans_themselves(version: str) -> None:
    branch = a_moderated_room(version)
    assert_forbidden(branch, ban_of(BOB, BOB, branch), "as much power")


def test_nobody_kicks_or_bans_a_privileged_creator() -> None:
    branch = Room("12", additional_creators=[CAROL]).start()
    for user in (ALICE, BOB, CAROL):
        branch.join(user)
    branch.set_power_levels(ALICE, {BOB: 2**53 - 1})
    for sender in (ALICE, BOB):
        assert_forbidden(branch, leave_of(CAROL, sender, branch), "as much power")
        assert_forbidden(branch, ban_of(CAROL, sender, branch), "as much power")
    assert is_allowed(branch, ban_of(BOB, CAROL, branch))
