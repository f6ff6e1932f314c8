from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.events import StateKey
from homeserver.domain.room_versions import room_version
from tests.homeserver.domain.authorising import versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL

LEVELS: StateKey = ("m.room.power_levels", "")
JOIN_RULES: StateKey = ("m.room.join_rules", "")


def member(user: str) -> StateKey:
    return "m.room.member", user


def keys_of_member_event(version: str, sender: str, target: str, **content: Any) -> list[StateKey]:
    """The selection for a member event, without the create event."""
    keys = auth_event_keys(room_version(version), "m.room.member", target, sender, content)
    return [key for key in keys if key[0] != "m.room.create"]


@versions()
def test_a_create_event_has_no_auth_events(version: str) -> None:
    assert auth_event_keys(room_version(version), "m.room.create", "", ALICE, {}) == []


@versions()
@pytest.mark.parametrize(
    ("event_type", "state_key"), [("m.room.message", None), ("m.room.topic", ""), ("x", BOB)]
)
def test_any_event_names_power_levels_and_its_sender(
    version: str, event_type: str, state_key: str | None
) -> None:
    keys = auth_event_keys(room_version(version), event_type, state_key, ALICE, {})
    create: list[StateKey] = [("m.room.create", "")] if int(version) < 12 else []
    assert keys == [*create, LEVELS, member(ALICE)]


@versions()
@pytest.mark.parametrize("membership", ["leave", "ban", "unknown", None, 1, ["join"]])
def test_a_member_event_names_its_target(version: str, membership: Any) -> None:
    keys = keys_of_member_event(version, ALICE, BOB, membership=membership)
    assert keys == [LEVELS, member(ALICE), member(BOB)]


@versions()
@pytest.mark.parametrize("membership", ["join", "invite", "knock"])
def test_who_comes_in_names_the_join_rules(version: str, membership: str) -> None:
    keys = keys_of_member_event(version, ALICE, BOB, membership=membership)
    assert keys == [LEVELS, member(ALICE), member(BOB), JOIN_RULES]


@versions()
def test_no_entry_is_named_twice(version: str) -> None:
    keys = keys_of_member_event(
        version, BOB, BOB, membership="join", join_authorised_via_users_server=BOB
    )
    assert keys == [LEVELS, member(BOB), JOIN_RULES]


@versions()
def test_an_invite_by_third_party_identifier_names_that_invite(version: str) -> None:
    third_party_invite = {"signed": {"token": "the token"}}
    keys = keys_of_member_event(
        version, ALICE, BOB, membership="invite", third_party_invite=third_party_invite
    )
    assert keys[-2:] == [JOIN_RULES, ("m.room.third_party_invite", "the token")]
    keys = keys_of_member_event(
        version, ALICE, BOB, membership="join", third_party_invite=third_party_invite
    )
    assert keys[-1] == JOIN_RULES


@pytest.mark.parametrize(
    "third_party_invite", [None, "x", {}, {"signed": "x"}, {"signed": {"token": 1}}]
)
def test_a_malformed_third_party_invite_names_none(third_party_invite: Any) -> None:
    keys = keys_of_member_event(
        "12", ALICE, BOB, membership="invite", third_party_invite=third_party_invite
    )
    assert keys[-1] == JOIN_RULES


@versions()
def test_a_restricted_join_names_the_member_who_vouches_since_version_8(version: str) -> None:
    keys = keys_of_member_event(
        version, BOB, BOB, membership="join", join_authorised_via_users_server=CAROL
    )
    assert (member(CAROL) in keys) == (int(version) >= 8)


@pytest.mark.parametrize("membership", ["invite", "leave", "ban", "knock"])
def test_only_joins_name_a_member_who_vouches(membership: str) -> None:
    keys = keys_of_member_event(
        "12", ALICE, BOB, membership=membership, join_authorised_via_users_server=CAROL
    )
    assert member(CAROL) not in keys
