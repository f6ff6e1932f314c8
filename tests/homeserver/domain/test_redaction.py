from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.event_hashes import reference_hash
from homeserver.domain.event_signatures import verify_event_signature
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.redaction import redact_pdu, redacted_event
from homeserver.domain.room_versions import RoomVersion, room_version
from tests.homeserver.domain.pdus import (
    ALL_VERSIONS,
    KEY,
    SERVER,
    a_pdu,
    all_versions,
    an_event,
    json_objects,
)

ALWAYS_KEPT = {
    "event_id",
    "type",
    "room_id",
    "sender",
    "state_key",
    "content",
    "hashes",
    "signatures",
    "depth",
    "prev_events",
    "auth_events",
    "origin_server_ts",
}
KEPT_UNTIL_10 = {"prev_state", "origin", "membership"}
NEVER_KEPT = {"redacts", "unsigned", "org.example.extra"}

POWER_LEVELS = {
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
}
CONTENT_KEYS: list[tuple[str, str, int, int]] = [
    # event type, key of the content, first and last version that keep it
    ("m.room.member", "membership", 1, 12),
    ("m.room.member", "join_authorised_via_users_server", 9, 12),
    ("m.room.member", "displayname", 13, 12),
    ("m.room.create", "creator", 1, 12),
    ("m.room.create", "room_version", 11, 12),
    ("m.room.create", "additional_creators", 11, 12),
    ("m.room.create", "org.example.extra", 11, 12),
    ("m.room.join_rules", "join_rule", 1, 12),
    ("m.room.join_rules", "allow", 8, 12),
    ("m.room.join_rules", "other", 13, 12),
    *(("m.room.power_levels", key, 1, 12) for key in sorted(POWER_LEVELS)),
    ("m.room.power_levels", "invite", 11, 12),
    ("m.room.power_levels", "notifications", 13, 12),
    ("m.room.aliases", "aliases", 1, 5),
    ("m.room.history_visibility", "history_visibility", 1, 12),
    ("m.room.history_visibility", "other", 13, 12),
    ("m.room.redaction", "redacts", 11, 12),
    ("m.room.redaction", "reason", 13, 12),
    ("m.room.message", "body", 13, 12),
    ("m.room.name", "name", 13, 12),
    ("m.room.encryption", "algorithm", 13, 12),
    ("m.room.third_party_invite", "public_key", 13, 12),
]
EVENT_TYPES = sorted({event_type for event_type, *_ in CONTENT_KEYS})


@all_versions
def test_top_level_keys_that_the_protocol_needs_stay(version: RoomVersion) -> None:
    pdu = dict.fromkeys(ALWAYS_KEPT | KEPT_UNTIL_10 | NEVER_KEPT, "value")
    pdu |= {"type": "m.room.message", "content": {"body": "hello"}}  # type: ignore[dict-item]

    kept = redact_pdu(pdu, version)

    expected = ALWAYS_KEPT | (KEPT_UNTIL_10 if int(version.identifier) <= 10 else set())
    assert kept == {**{key: pdu[key] for key in expected}, "content": {}}


@all_versions
@pytest.mark.parametrize(("event_type", "key", "first", "last"), CONTENT_KEYS)
def test_content_keys_that_the_protocol_needs_stay(
    version: RoomVersion, event_type: str, key: str, first: int, last: int
) -> None:
    pdu = a_pdu(version, type=event_type, content={key: ["any", {"value": 1}]})

    content = redact_pdu(pdu, version)["content"]

    kept = first <= int(version.identifier) <= last
    assert content == ({key: ["any", {"value": 1}]} if kept else {})


@pytest.mark.parametrize(
    ("invite", "kept"),
    [
        (
            {"display_name": "a...@b...", "signed": {"mxid": "@a:b", "token": "t"}},
            {"third_party_invite": {"signed": {"mxid": "@a:b", "token": "t"}}},
        ),
        ({"signed": "malformed"}, {"third_party_invite": {"signed": "malformed"}}),
        ({"display_name": "a...@b..."}, {"third_party_invite": {}}),
        ("malformed", {}),
        (None, {}),
    ],
)
def test_since_version_11_the_signed_part_of_a_third_party_invite_stays(
    invite: Any, kept: JsonObject
) -> None:
    content = {"membership": "invite", "third_party_invite": invite}
    pdu = {"type": "m.room.member", "content": content}

    assert redact_pdu(pdu, room_version("11"))["content"] == {"membership": "invite", **kept}
    assert redact_pdu(pdu, room_version("12"))["content"] == {"membership": "invite", **kept}
    assert redact_pdu(pdu, room_version("10"))["content"] == {"membership": "invite"}


@all_versions
def test_redacting_leaves_the_argument_alone(version: RoomVersion) -> None:
    pdu = a_pdu(version)
    before = a_pdu(version)

    redact_pdu(pdu, version)

    assert pdu == before


@all_versions
def test_a_redacted_event_keeps_its_id_its_references_and_its_signature(
    version: RoomVersion,
) -> None:
    event = an_event(version)

    redacted = redacted_event(event)

    assert redacted.event_id == event.event_id
    assert redacted.content == {}
    assert redacted.prev_event_ids == event.prev_event_ids
    assert redacted != event
    assert Event.from_pdu(redacted.pdu, version) == redacted
    assert parse_pdu(redacted.pdu_object(), version) == redacted
    verify_event_signature(
        redacted.pdu_object(), version, SERVER, KEY.key_id, KEY.verify_key_base64
    )


known_content = st.dictionaries(
    st.sampled_from(sorted({key for _, key, *_ in CONTENT_KEYS} | {"third_party_invite"})),
    json_objects,
    max_size=6,
)


@given(
    st.sampled_from(ALL_VERSIONS),
    st.sampled_from(EVENT_TYPES),
    json_objects | known_content,
    json_objects,
)
def test_redacting_is_idempotent_and_keeps_the_reference_hash(
    version: RoomVersion, event_type: str, content: JsonObject, extra: JsonObject
) -> None:
    pdu = {**extra, **a_pdu(version), "type": event_type, "content": content}

    redacted = redact_pdu(pdu, version)

    assert redact_pdu(redacted, version) == redacted
    assert redacted.keys() <= pdu.keys()
    assert reference_hash(redacted, version) == reference_hash(pdu, version)
