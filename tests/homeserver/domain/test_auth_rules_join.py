from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from tests.homeserver.domain.authorising import assert_forbidden, is_allowed, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, DAVE, Branch, Room, a_room


def join_of(user: Any, branch: Branch, **content: Any) -> Event:
    return branch.draft("m.room.member", user, {"membership": "join", **content}, user)


@versions()
def test_the_creator_joins_right_after_the_room_was_created(version: str) -> None:
    branch = Room(version).start()
    assert is_allowed(branch, join_of(ALICE, branch))


@versions()
def test_nobody_else_joins_right_after_the_room_was_created(version: str) -> None:
    branch = Room(version).start()
    assert_forbidden(branch, join_of(BOB, branch), "not invited")


@versions()
def test_the_creator_joins_without_invite_only_as_the_second_event(version: str) -> None:
    branch = a_room(version, join_rule="invite")
    branch.leave(ALICE)
    assert_forbidden(branch, join_of(ALICE, branch), "not invited")


@versions(last=10)
def test_before_version_11_the_creator_is_who_the_content_names(version: str) -> None:
    branch = Room(version, ALICE, creator=BOB).start()
    assert is_allowed(branch, join_of(BOB, branch))
    assert not is_allowed(branch, join_of(ALICE, branch))


@versions(first=11)
def test_since_version_11_the_creator_is_who_sent_the_create_event(version: str) -> None:
    branch = Room(version, ALICE, creator=BOB).start()
    assert is_allowed(branch, join_of(ALICE, branch))
    assert not is_allowed(branch, join_of(BOB, branch))


def test_additional_creators_need_an_invite() -> None:
    branch = Room("12", additional_creators=[BOB]).start()
    assert not is_allowed(branch, join_of(BOB, branch))


@versions()
@pytest.mark.parametrize(
    ("state_key", "content"),
    [(None, {"membership": "join"}), (BOB, {}), (BOB, {"displayname": "Bob"})],
)
def test_a_member_event_needs_a_state_key_and_a_membership(
    version: str, state_key: str | None, content: JsonObject
) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.member", BOB, content, state_key)
    assert_forbidden(branch, event, "must be a state event with a membership")


@versions()
@pytest.mark.parametrize("membership", ["observe", "", None, 1, ["join"], "JOIN"])
def test_an_unknown_membership_is_refused(version: str, membership: Any) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.member", ALICE, {"membership": membership}, ALICE)
    assert_forbidden(branch, event, "membership is unknown")


@versions()
def test_anybody_joins_a_public_room(version: str) -> None:
    branch = a_room(version)
    assert is_allowed(branch, join_of(BOB, branch))


@versions()
def test_nobody_makes_somebody_else_join(version: str) -> None:
    branch = a_room(version)
    branch.invite(ALICE, BOB)
    event = branch.draft("m.room.member", ALICE, {"membership": "join"}, BOB)
    assert_forbidden(branch, event, "may not make @bob:b.example join")


@versions()
def test_a_banned_user_cannot_rejoin(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    branch.ban(ALICE, BOB)
    assert_forbidden(branch, join_of(BOB, branch), "banned")


@versions()
def test_an_unbanned_user_can_rejoin(version: str) -> None:
    branch = a_room(version)
    branch.ban(ALICE, BOB)
    branch.kick(ALICE, BOB)
    assert is_allowed(branch, join_of(BOB, branch))


@versions()
def test_only_the_invited_join_an_invite_only_room(version: str) -> None:
    branch = a_room(version, join_rule="invite")
    assert_forbidden(branch, join_of(BOB, branch), "not invited")
    branch.invite(ALICE, BOB)
    assert is_allowed(branch, join_of(BOB, branch))


@versions()
def test_a_room_without_join_rules_is_invite_only(version: str) -> None:
    branch = Room(version).start()
    branch.join(ALICE)
    assert not is_allowed(branch, join_of(BOB, branch))
    branch.invite(ALICE, BOB)
    assert is_allowed(branch, join_of(BOB, branch))


@versions()
def test_a_member_of_an_invite_only_room_joins_again_to_change_the_profile(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    branch.set_join_rule(ALICE, "invite")
    assert is_allowed(branch, join_of(BOB, branch, displayname="Bob"))


@versions()
@pytest.mark.parametrize("join_rule", ["private", "org.example.lottery"])
def test_nobody_joins_by_a_join_rule_without_meaning(version: str, join_rule: str) -> None:
    branch = a_room(version, join_rule=join_rule)
    branch.invite(ALICE, BOB)
    assert_forbidden(branch, join_of(BOB, branch), "Nobody may join by the join rule")


@pytest.mark.parametrize(
    ("join_rule", "since"), [("knock", 7), ("restricted", 8), ("knock_restricted", 10)]
)
@versions()
def test_a_newer_join_rule_lets_the_invited_join_only_in_versions_that_know_it(
    version: str, join_rule: str, since: int
) -> None:
    branch = a_room(version, join_rule=join_rule)
    branch.invite(ALICE, BOB)
    assert is_allowed(branch, join_of(BOB, branch)) == (int(version) >= since)


@versions(first=7)
def test_who_knocks_must_be_invited_to_join(version: str) -> None:
    branch = a_room(version, join_rule="knock")
    branch.knock(BOB)
    assert_forbidden(branch, join_of(BOB, branch), "not invited")
    branch.invite(ALICE, BOB)
    assert is_allowed(branch, join_of(BOB, branch))


def a_restricted_room(version: str, join_rule: str) -> Branch:
    """A room in which Alice may invite, and Carol, who is joined as well, may not."""
    branch = a_room(version)
    branch.join(CAROL)
    branch.set_power_levels(ALICE, invite=10)
    branch.set_join_rule(ALICE, join_rule)
    return branch


RESTRICTED = [("restricted", 8), ("knock_restricted", 10)]


@pytest.mark.parametrize(("join_rule", "since"), RESTRICTED)
@versions(first=8)
def test_a_member_who_may_invite_vouches_for_a_restricted_join(
    version: str, join_rule: str, since: int
) -> None:
    branch = a_restricted_room(version, join_rule)
    join = join_of(BOB, branch, join_authorised_via_users_server=ALICE)
    assert is_allowed(branch, join) == (int(version) >= since)


@pytest.mark.parametrize(("join_rule", "since"), RESTRICTED)
@versions(first=8)
def test_a_restricted_join_needs_someone_to_vouch(version: str, join_rule: str, since: int) -> None:
    branch = a_restricted_room(version, join_rule)
    join = join_of(BOB, branch)
    assert_forbidden(branch, join, "vouches" if int(version) >= since else "Nobody may join")


@versions(first=8)
def test_who_may_not_invite_cannot_vouch_for_a_restricted_join(version: str) -> None:
    branch = a_restricted_room(version, "restricted")
    join = join_of(BOB, branch, join_authorised_via_users_server=CAROL)
    assert_forbidden(branch, join, "needs 10 to vouch for joins")


@versions(first=8)
def test_who_is_not_in_the_room_cannot_vouch_for_a_restricted_join(version: str) -> None:
    branch = a_restricted_room(version, "restricted")
    branch.invite(ALICE, DAVE)
    join = join_of(BOB, branch, join_authorised_via_users_server=DAVE)
    assert_forbidden(branch, join, "@dave:d.example is not joined")


@versions(first=8)
def test_members_and_invited_users_need_nobody_to_vouch(version: str) -> None:
    branch = a_restricted_room(version, "restricted")
    branch.invite(ALICE, BOB)
    assert is_allowed(branch, join_of(BOB, branch))
    assert is_allowed(branch, join_of(CAROL, branch, displayname="Carol"))


@versions(first=8)
def test_a_banned_user_cannot_join_even_if_someone_vouches(version: str) -> None:
    branch = a_restricted_room(version, "restricted")
    branch.ban(ALICE, BOB)
    join = join_of(BOB, branch, join_authorised_via_users_server=ALICE)
    assert_forbidden(branch, join, "banned")


@versions()
@pytest.mark.parametrize("membership", ["join", "invite", "leave", "ban"])
@pytest.mark.parametrize("user_id", ["alice", "@alice", 1, None, [ALICE]])
def test_the_user_who_vouches_must_be_named_by_a_user_id(
    version: str, membership: str, user_id: Any
) -> None:
    branch = a_room(version)
    content = {"membership": membership, "join_authorised_via_users_server": user_id}
    sender = BOB if membership == "join" else ALICE
    target = ALICE if membership == "leave" else BOB
    event = branch.draft("m.room.member", sender, content, target)
    assert is_allowed(branch, event) == (int(version) < 8)
