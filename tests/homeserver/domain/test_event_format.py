from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import MAX_NESTING, JsonObject
from homeserver.domain.errors import BadJson, TooLarge
from homeserver.domain.event_format import MAX_EVENT_BYTES
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.identifiers import EventId
from homeserver.domain.room_versions import RoomVersion, room_version
from tests.homeserver.domain.pdus import (
    ALL_VERSIONS,
    HASH,
    a_create_event,
    a_pdu,
    all_versions,
    an_event,
    json_objects,
)

V1 = room_version("1")
V5 = room_version("5")
V10 = room_version("10")
V12 = room_version("12")
TARGET = EventId("$" + "t" * 43)


def test_unsigned_is_dropped() -> None:
    event = an_event(V12)

    assert parse_pdu({**event.pdu_object(), "unsigned": {"age": 5}}, V12) == event


@all_versions
def test_unknown_fields_are_kept(version: RoomVersion) -> None:
    event = parse_pdu(a_pdu(version, **{"org.example.extra": [1]}), version)

    assert event.pdu_object()["org.example.extra"] == [1]


@all_versions
@pytest.mark.parametrize(
    "field",
    [
        "type",
        "sender",
        "room_id",
        "content",
        "origin_server_ts",
        "depth",
        "prev_events",
        "auth_events",
        "hashes",
        "signatures",
    ],
)
def test_required_fields_are_required(version: RoomVersion, field: str) -> None:
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(version, **{field: None}), version)


@all_versions
@pytest.mark.parametrize(
    "change",
    [
        {"type": 1},
        {"type": "\ud800"},
        {"sender": 1},
        {"sender": "alice"},
        {"sender": "@alice:exa mple"},
        {"room_id": 1},
        {"room_id": "#r:example.org"},
        {"state_key": 1},
        {"content": []},
        {"content": {1: 2}},
        {"origin_server_ts": "1"},
        {"origin_server_ts": 1.5},
        {"origin_server_ts": True},
        {"origin_server_ts": 2**63},
        {"depth": -1},
        {"depth": 2**63},
        {"depth": "1"},
        {"depth": 1.0},
        {"depth": False},
        {"prev_events": {}},
        {"prev_events": [1]},
        {"prev_events": ["no sigil"]},
        {"prev_events": [[]]},
        {"auth_events": [{}]},
        {"auth_events": "$a"},
        {"hashes": []},
        {"hashes": {}},
        {"hashes": {"sha256": 1}},
        {"signatures": []},
        {"signatures": {"example.org": "x"}},
        {"signatures": {"example.org": {"ed25519:1": 1}}},
    ],
    ids=str,
)
def test_malformed_fields_are_refused(version: RoomVersion, change: dict[str, Any]) -> None:
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(version, **change), version)


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": None},
        {"event_id": 1},
        {"event_id": TARGET},
        {"prev_events": [TARGET]},
        {"prev_events": [["$p:example.org"]]},
        {"prev_events": [["$p:example.org", {"sha256": 1}]]},
        {"prev_events": [["$p:example.org", HASH]]},
        {"prev_events": [[1, {"sha256": HASH}]]},
        {"prev_events": [["p", {"sha256": HASH}]]},
    ],
    ids=str,
)
def test_early_formats_need_an_event_id_and_pairs(change: dict[str, Any]) -> None:
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(V1, **change), V1)


def test_later_formats_need_plain_ids() -> None:
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(V12, prev_events=[["$p:example.org", {"sha256": HASH}]]), V12)


@all_versions
def test_references_are_limited_in_number(version: RoomVersion) -> None:
    references = a_pdu(version)["prev_events"]

    full = a_pdu(version, prev_events=references * 20, auth_events=references * 10)
    assert len(parse_pdu(full, version).prev_event_ids) == 20
    for change in ({"prev_events": references * 21}, {"auth_events": references * 11}):
        with pytest.raises(BadJson):
            parse_pdu(a_pdu(version, **change), version)


@pytest.mark.parametrize(
    ("version", "room_id"),
    [
        (V10, "!" + "r" * 43),
        (V10, "!r:"),
        (V12, "!r:example.org"),
        (V12, "!short"),
        (V12, "!" + "+" * 43),
    ],
)
def test_the_room_id_must_have_the_form_of_the_version(version: RoomVersion, room_id: str) -> None:
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(version, room_id=room_id), version)


def test_since_version_12_a_create_event_must_not_have_a_room_id() -> None:
    pdu = a_create_event(V12).pdu_object()

    with pytest.raises(BadJson):
        parse_pdu({**pdu, "room_id": "!" + "r" * 43}, V12)


@pytest.mark.parametrize("redacts", [1, {}, []])
def test_a_malformed_redacts_is_refused_where_the_format_has_it(redacts: Any) -> None:
    pdu = a_pdu(V10, type="m.room.redaction", redacts=redacts)

    with pytest.raises(BadJson):
        parse_pdu(pdu, V10)


@pytest.mark.parametrize("redacts", [1, {}, []])
def test_a_malformed_redacts_in_content_redacts_nothing(redacts: Any) -> None:
    pdu = a_pdu(V12, type="m.room.redaction", content={"redacts": redacts})

    assert parse_pdu(pdu, V12).redacts is None


@pytest.mark.parametrize("value", [50.57, 1e10, 2**60, -(2**70)])
def test_numbers_are_free_before_version_6_only(value: float) -> None:
    old = parse_pdu(a_pdu(V5, content={"value": value}), V5)

    assert old.content == {"value": value}
    assert parse_pdu(old.pdu_object(), V5) == old
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(V10, content={"value": value}), V10)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", b"bytes"])
@all_versions
def test_what_is_no_json_is_refused(version: RoomVersion, value: Any) -> None:
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(version, content={"value": value}), version)


@all_versions
def test_deep_nesting_is_refused(version: RoomVersion) -> None:
    value: Any = []
    for _ in range(MAX_NESTING):
        value = [value]

    with pytest.raises(BadJson):
        parse_pdu(a_pdu(version, content={"value": value}), version)


@all_versions
@pytest.mark.parametrize("field", ["type", "state_key"])
def test_fields_of_more_than_255_bytes_are_too_large(version: RoomVersion, field: str) -> None:
    parse_pdu(a_pdu(version, **{field: "a" * 255}), version)
    for value in ("a" * 256, "é" * 128):
        with pytest.raises(TooLarge):
            parse_pdu(a_pdu(version, **{field: value}), version)


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "@" + "a" * 250 + ":b.org"},
        {"room_id": "!" + "a" * 250 + ":b.org"},
        {"event_id": "$" + "a" * 250 + ":b.org"},
    ],
    ids=str,
)
def test_identifiers_of_more_than_255_bytes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadJson):
        parse_pdu(a_pdu(V1, **change), V1)


@all_versions
def test_an_event_of_more_than_65536_bytes_is_too_large(version: RoomVersion) -> None:
    overhead = len(an_event(version, content={"body": ""}).pdu)
    room = MAX_EVENT_BYTES - overhead

    parse_pdu(a_pdu(version, content={"body": "a" * room}), version)
    for body in ("a" * (room + 1), "é" * (room // 2 + 1)):
        with pytest.raises(TooLarge):
            parse_pdu(a_pdu(version, content={"body": body}), version)


def test_historical_users_may_speak() -> None:
    event = parse_pdu(a_pdu(V12, sender="@Älice !:example.org"), V12)

    assert event.sender == "@Älice !:example.org"


@given(
    st.sampled_from(ALL_VERSIONS),
    st.dictionaries(
        st.sampled_from(sorted(a_pdu(V1) | {"state_key": 0, "redacts": 0})),
        st.none() | st.integers() | st.text() | json_objects | st.lists(json_objects),
        min_size=1,
    ),
)
def test_any_pdu_is_read_or_refused_by_name(version: RoomVersion, change: JsonObject) -> None:
    try:
        event = parse_pdu({**a_pdu(version), **change}, version)
    except (BadJson, TooLarge):
        return
    assert Event.from_pdu(event.pdu, version) == event
