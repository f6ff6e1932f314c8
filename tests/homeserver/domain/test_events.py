from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.errors import BadJson, TooLarge
from homeserver.domain.event_format import MAX_EVENT_BYTES
from homeserver.domain.event_hashes import content_hash_matches, reference_hash
from homeserver.domain.event_signatures import verify_event_signature
from homeserver.domain.events import Event, build_event, parse_pdu, reference_of
from homeserver.domain.identifiers import EventId
from homeserver.domain.room_versions import EventFormat, RoomVersion, room_version
from tests.homeserver.domain.pdus import (
    ALL_VERSIONS,
    HASH,
    KEY,
    SERVER,
    a_create_event,
    a_draft,
    a_reference,
    all_versions,
    an_event,
    json_objects,
)

V1 = room_version("1")
V5 = room_version("5")
V10 = room_version("10")
V12 = room_version("12")
TARGET = EventId("$" + "t" * 43)


@all_versions
def test_a_built_event_has_what_its_author_decided(version: RoomVersion) -> None:
    event = an_event(version, type="m.room.name", state_key="", content={"name": "ü"})

    assert event.type == "m.room.name"
    assert event.sender == "@alice:example.org"
    assert event.state_key == ""
    assert event.is_state
    assert event.state_map_key() == ("m.room.name", "")
    assert event.content == {"name": "ü"}
    assert event.raw_content == '{"name":"ü"}'.encode()
    assert event.origin_server_ts == 1_700_000_000_000
    assert event.depth == 7
    assert event.prev_event_ids == (a_reference(version, "p").event_id,)
    assert event.auth_event_ids == tuple(a_reference(version, n).event_id for n in "ab")
    assert event.version is version


@all_versions
def test_a_built_event_passes_the_checks_of_other_servers(version: RoomVersion) -> None:
    event = an_event(version)
    pdu = event.pdu_object()

    assert parse_pdu(pdu, version) == event
    assert content_hash_matches(pdu)
    verify_event_signature(pdu, version, SERVER, KEY.key_id, KEY.verify_key_base64)


@all_versions
def test_the_pdu_is_canonical_json_without_unsigned(version: RoomVersion) -> None:
    event = an_event(version)

    assert event.pdu == encode_canonical_json(event.pdu_object())
    assert "unsigned" not in event.pdu_object()


@pytest.mark.parametrize("version", ["1", "2"])
def test_early_formats_carry_the_event_id_and_pairs(version: str) -> None:
    pdu = an_event(room_version(version)).pdu_object()

    assert pdu["event_id"] == "$e:example.org"
    assert pdu["prev_events"] == [["$p:example.org", {"sha256": HASH}]]


@all_versions
def test_later_event_ids_are_the_reference_hash(version: RoomVersion) -> None:
    event = an_event(version)
    sha256 = reference_hash(event.pdu_object(), version)
    expected = {
        EventFormat.V1: "$e:example.org",
        EventFormat.V3: "$" + sha256,
        EventFormat.V4: "$" + sha256.replace("+", "-").replace("/", "_"),
    }

    assert event.event_id == expected[version.event_format]


@all_versions
def test_an_event_is_referred_to_by_its_id_and_reference_hash(version: RoomVersion) -> None:
    for timestamp in range(20):
        event = an_event(version, origin_server_ts=timestamp)
        reference = reference_of(event)

        assert reference.event_id == event.event_id
        assert reference.sha256 == reference_hash(event.pdu_object(), version)


def test_since_version_12_the_room_id_is_that_of_the_create_event() -> None:
    event = a_create_event(V12)

    assert event.room_id == "!" + event.event_id[1:]
    assert "room_id" not in event.pdu_object()
    assert parse_pdu(event.pdu_object(), V12) == event
    assert Event.from_pdu(event.pdu, V12).room_id == event.room_id


def test_before_version_12_the_create_event_has_a_room_id() -> None:
    event = a_create_event(V10)

    assert event.room_id == event.pdu_object()["room_id"] == "!r:example.org"


@all_versions
def test_a_redaction_has_its_target_where_the_version_puts_it(version: RoomVersion) -> None:
    event = an_event(version, type="m.room.redaction", content={}, redacts=TARGET)
    pdu = event.pdu_object()

    assert event.redacts == TARGET
    assert pdu.get("redacts") == (None if version.redacts_in_content else TARGET)
    assert pdu["content"] == ({"redacts": TARGET} if version.redacts_in_content else {})


@pytest.mark.parametrize(("version", "limit"), [(V5, 2**63 - 1), (V10, 2**53 - 1)])
def test_the_depth_stays_at_its_limit(version: RoomVersion, limit: int) -> None:
    event = an_event(version, depth=limit + 1)

    assert event.depth == limit
    assert parse_pdu(event.pdu_object(), version) == event


@pytest.mark.parametrize("value", [1.5, 2**53, "\ud800", b"bytes"])
@all_versions
def test_content_must_be_canonical_in_every_version(version: RoomVersion, value: Any) -> None:
    with pytest.raises(BadJson):
        an_event(version, content={"value": value})


def test_other_fields_must_be_encodable() -> None:
    for change in ({"type": "\ud800"}, {"state_key": "\ud800"}, {"origin_server_ts": 2**53}):
        with pytest.raises(BadJson):
            an_event(V12, **change)


@pytest.mark.parametrize("value", ["a" * 256, "é" * 128])
def test_fields_of_more_than_255_bytes_are_too_large(value: str) -> None:
    assert an_event(V12, type=value[:127], state_key=value[:127]).state_key == value[:127]
    with pytest.raises(TooLarge):
        an_event(V12, type=value)
    with pytest.raises(TooLarge):
        an_event(V12, state_key=value)


@all_versions
def test_an_event_may_have_65536_bytes_with_its_signature(version: RoomVersion) -> None:
    overhead = len(an_event(version, content={"body": ""}).pdu)
    body = "a" * (MAX_EVENT_BYTES - overhead)

    assert len(an_event(version, content={"body": body}).pdu) == 65536
    with pytest.raises(TooLarge):
        an_event(version, content={"body": body + "a"})


@pytest.mark.parametrize(("version", "event_id"), [(V1, None), (V12, TARGET)])
def test_an_event_id_is_given_in_early_formats_only(
    version: RoomVersion, event_id: EventId | None
) -> None:
    with pytest.raises(ValueError, match="event ID"):
        build_event(
            a_draft(version),
            version,
            prev_events=[],
            auth_events=[],
            depth=1,
            server_name=SERVER,
            signing_key=KEY,
            event_id=event_id,
        )


@pytest.mark.parametrize(("version", "event_type"), [(V10, "m.room.create"), (V12, "m.room.name")])
def test_only_an_event_that_makes_the_room_id_goes_without(
    version: RoomVersion, event_type: str
) -> None:
    with pytest.raises(ValueError, match="room ID"):
        an_event(version, room_id=None, type=event_type)


@all_versions
def test_an_event_from_the_database_is_what_was_stored(version: RoomVersion) -> None:
    event = an_event(version)

    assert Event.from_pdu(event.pdu, version, event.event_id) == event
    assert Event.from_pdu(event.pdu, version) == event


def test_content_is_decoded_once() -> None:
    event = an_event(V12)

    assert event.content is event.content


def test_a_decoded_pdu_may_be_changed() -> None:
    event = an_event(V12)
    event.pdu_object()["content"]["body"] = "changed"

    assert event.pdu_object()["content"]["body"] == "hello"


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        an_event(V12).depth = 3  # type: ignore[misc]


def test_events_are_equal_by_id_and_bytes() -> None:
    event = an_event(V12)

    assert {event, an_event(V12)} == {event}
    assert event != an_event(V12, origin_server_ts=1)
    assert event != event.event_id


def test_an_event_shows_what_it_is() -> None:
    event = an_event(V12)

    assert repr(event) == f"Event('{event.event_id}', type='m.room.message', state_key=None)"


def test_a_message_is_no_entry_of_the_state() -> None:
    event = an_event(V12)

    assert not event.is_state
    with pytest.raises(ValueError, match="not a state event"):
        event.state_map_key()


@given(st.sampled_from(ALL_VERSIONS), json_objects)
def test_any_content_comes_back(version: RoomVersion, content: JsonObject) -> None:
    event = an_event(version, content=content)
    again = parse_pdu(event.pdu_object(), version)

    assert again == event
    assert again.content == content
    assert again.raw_content == encode_canonical_json(content)
