from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.events import parse_pdu
from homeserver.domain.signature_requirements import required_signing_servers
from tests.homeserver.domain.authorising import versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, a_room

THIRD_PARTY = {"membership": "invite", "third_party_invite": {"signed": {}}}


@versions()
def test_the_senders_server_must_sign(version: str) -> None:
    event = a_room(version).draft("m.room.message", BOB)
    assert required_signing_servers(event) == {"b.example"}


@versions(last=2)
def test_the_server_in_the_event_id_must_sign_until_version_2(version: str) -> None:
    event = a_room(version).draft("m.room.message", BOB)
    event = parse_pdu({**event.pdu_object(), "event_id": "$e:x.example"}, event.version)
    assert required_signing_servers(event) == {"b.example", "x.example"}


@versions()
def test_the_senders_server_need_not_sign_a_third_party_invite(version: str) -> None:
    event = a_room(version).draft("m.room.member", ALICE, THIRD_PARTY, BOB)
    event_id_server = {"a.example"} if int(version) <= 2 else set()
    assert required_signing_servers(event) == event_id_server


@versions(first=3)
@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        ("m.room.member", {**THIRD_PARTY, "membership": "join"}),
        ("m.room.member", {"membership": "invite"}),
        ("m.room.topic", THIRD_PARTY),
    ],
)
def test_only_third_party_invites_are_exempt(
    version: str, event_type: str, content: dict[str, Any]
) -> None:
    event = a_room(version).draft(event_type, ALICE, content, ALICE)
    assert required_signing_servers(event) == {"a.example"}


@versions()
@pytest.mark.parametrize("membership", ["join", "leave", "invite", "ban"])
def test_the_server_that_vouches_for_a_join_must_sign_since_version_8(
    version: str, membership: str
) -> None:
    content = {"membership": membership, "join_authorised_via_users_server": CAROL}
    event = a_room(version).draft("m.room.member", BOB, content, BOB)
    vouching = {"c.example"} if int(version) >= 8 else set()
    assert required_signing_servers(event) == {"b.example"} | vouching


@pytest.mark.parametrize("user_id", [None, 1, "carol", "@carol"])
def test_a_malformed_user_id_names_no_server(user_id: Any) -> None:
    content = {"membership": "join", "join_authorised_via_users_server": user_id}
    event = a_room("12").draft("m.room.member", BOB, content, BOB)
    assert required_signing_servers(event) == {"b.example"}


def test_events_of_other_types_need_no_server_that_vouches() -> None:
    content = {"join_authorised_via_users_server": CAROL}
    event = a_room("12").draft("m.room.topic", BOB, content, "")
    assert required_signing_servers(event) == {"b.example"}
