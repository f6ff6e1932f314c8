from __future__ import annotations

import pytest

from homeserver.domain.identifiers import EventId
from tests.homeserver.domain.authorising import assert_forbidden, is_allowed, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, a_room


@versions()
@pytest.mark.parametrize("before", ["nothing", "invite", "leave", "ban"])
def test_only_members_send_events(version: str, before: str) -> None:
    branch = a_room(version)
    if before != "nothing":
        branch.membership(ALICE, BOB, before)
    event = branch.draft("m.room.message", BOB)
    assert_forbidden(branch, event, "@bob:b.example is not joined")


@versions()
def test_members_send_messages_by_default(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    assert is_allowed(branch, branch.draft("m.room.message", BOB))


@versions()
def test_state_takes_50_by_default(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    topic = branch.draft("m.room.topic", BOB, {"topic": "x"}, "")
    assert_forbidden(branch, topic, "has power level 0 and needs 50 to send m.room.topic")
    branch.set_power_levels(ALICE, {BOB: 50})
    assert is_allowed(branch, branch.draft("m.room.topic", BOB, {"topic": "x"}, ""))


@versions()
def test_the_level_to_send_an_event_is_that_of_its_type(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    branch.set_power_levels(ALICE, {BOB: 20}, events={"m.room.topic": 20, "m.room.message": 21})
    assert is_allowed(branch, branch.draft("m.room.topic", BOB, {}, ""))
    assert not is_allowed(branch, branch.draft("m.room.message", BOB))


@versions()
def test_a_state_key_that_is_a_user_id_belongs_to_the_user(version: str) -> None:
    branch = a_room(version)
    assert is_allowed(branch, branch.draft("org.example.mood", ALICE, {}, ALICE))
    assert is_allowed(branch, branch.draft("org.example.mood", ALICE, {}, "today"))
    assert_forbidden(branch, branch.draft("org.example.mood", ALICE, {}, BOB), "Only @bob")
    assert_forbidden(branch, branch.draft("org.example.mood", ALICE, {}, "@"), "Only @ ")


@versions()
def test_third_party_invites_take_the_invite_level(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    assert is_allowed(branch, branch.draft("m.room.third_party_invite", BOB, {}, "token"))
    branch.set_power_levels(ALICE, {BOB: 9}, invite=10)
    event = branch.draft("m.room.third_party_invite", BOB, {}, "token")
    assert_forbidden(branch, event, "needs 10 to invite")


@versions()
def test_only_members_send_third_party_invites(version: str) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.third_party_invite", BOB, {}, "token")
    assert_forbidden(branch, event, "@bob:b.example is not joined")


@versions(last=5)
def test_until_version_5_a_server_lists_its_aliases_even_without_members(version: str) -> None:
    branch = a_room(version)
    assert is_allowed(branch, branch.draft("m.room.aliases", BOB, {}, "b.example"))


@versions(last=5)
def test_until_version_5_nobody_lists_the_aliases_of_other_servers(version: str) -> None:
    branch = a_room(version)
    event = branch.draft("m.room.aliases", ALICE, {}, "b.example")
    assert_forbidden(branch, event, "Only users of b.example")
    event = branch.draft("m.room.aliases", ALICE, {})
    assert_forbidden(branch, event, "must be a state event")


@versions(first=6)
def test_since_version_6_aliases_are_state_like_any_other(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    assert is_allowed(branch, branch.draft("m.room.aliases", ALICE, {}, "b.example"))
    assert not is_allowed(branch, branch.draft("m.room.aliases", BOB, {}, "b.example"))


REDACTED = {
    "own server": EventId("$1:b.example"),
    "other server": EventId("$1:a.example"),
    "no server": EventId("$1"),
    "nothing": None,
}


@versions(last=2)
@pytest.mark.parametrize(("name", "redacts"), REDACTED.items())
def test_until_version_2_only_the_own_server_or_the_redact_level_redacts(
    version: str, name: str, redacts: EventId | None
) -> None:
    branch = a_room(version)
    branch.join(BOB)
    branch.join(CAROL)
    branch.set_power_levels(ALICE, {CAROL: 50})
    redaction = branch.draft("m.room.redaction", BOB, redacts=redacts)
    assert is_allowed(branch, redaction) == (name == "own server")
    assert is_allowed(branch, branch.draft("m.room.redaction", CAROL, redacts=redacts))


@versions(first=3)
def test_since_version_3_redactions_are_events_like_any_other(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    redaction = branch.draft("m.room.redaction", BOB, redacts=EventId("$" + "x" * 43))
    assert is_allowed(branch, redaction)


@versions()
def test_redactions_take_the_level_of_their_type(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    branch.set_power_levels(ALICE, events={"m.room.redaction": 1})
    redaction = branch.draft("m.room.redaction", BOB, redacts=REDACTED["own server"])
    assert_forbidden(branch, redaction, "needs 1 to send m.room.redaction")


@versions()
def test_without_power_levels_the_creator_runs_the_room(version: str) -> None:
    branch = a_room(version)
    branch.join(BOB)
    del branch.state["m.room.power_levels", ""]
    assert is_allowed(branch, branch.draft("m.room.topic", ALICE, {}, ""))
    assert not is_allowed(branch, branch.draft("m.room.topic", BOB, {}, ""))
    assert is_allowed(branch, branch.draft("m.room.message", BOB))
