from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.client_events import client_json
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.identifiers import EventId
from homeserver.domain.redaction import redacted_event
from homeserver.domain.room_versions import RoomVersion, room_version
from tests.homeserver.domain.pdus import (
    a_create_event,
    a_pdu,
    all_versions,
    an_event,
    json_objects,
)

V12 = room_version("12")
TARGET = EventId("$" + "t" * 43)


def seen(event: Event) -> JsonObject:
    """What a client reads when the brace is closed."""
    decoded: JsonObject = json.loads(client_json(event) + b"}")
    return decoded


@all_versions
def test_a_message_shows_the_fields_of_the_room_event_format(version: RoomVersion) -> None:
    event = an_event(version)

    assert seen(event) == {
        "content": {"body": "hello", "msgtype": "m.text"},
        "event_id": event.event_id,
        "origin_server_ts": 1_700_000_000_000,
        "sender": "@alice:example.org",
        "type": "m.room.message",
    }


def test_the_serialiser_can_append_what_varies() -> None:
    event = an_event(V12)
    extended = client_json(event) + b',"room_id":"!r","unsigned":{"age":1}}'

    assert json.loads(extended) == {**seen(event), "room_id": "!r", "unsigned": {"age": 1}}


@pytest.mark.parametrize("state_key", ["", "@bob:example.org", 'quotes " and \\ and ü'])
def test_a_state_event_shows_its_state_key(state_key: str) -> None:
    event = an_event(V12, type="org.example.state", state_key=state_key)

    assert seen(event)["state_key"] == state_key


def test_the_create_event_shows_no_more_than_others() -> None:
    event = a_create_event(V12)

    assert seen(event).keys() == {
        "content",
        "event_id",
        "origin_server_ts",
        "sender",
        "state_key",
        "type",
    }


@all_versions
def test_a_redaction_names_its_target_in_both_places(version: RoomVersion) -> None:
    event = an_event(version, type="m.room.redaction", content={"reason": "spam"}, redacts=TARGET)

    assert seen(event)["redacts"] == TARGET
    assert seen(event)["content"] == {"reason": "spam", "redacts": TARGET}


def test_the_place_that_the_room_version_uses_decides_about_the_target() -> None:
    other = "$" + "o" * 43
    old = a_pdu(
        room_version("10"), type="m.room.redaction", redacts=TARGET, content={"redacts": other}
    )
    new = a_pdu(V12, type="m.room.redaction", redacts=other, content={"redacts": TARGET})

    for event in (parse_pdu(old, room_version("10")), parse_pdu(new, V12)):
        assert seen(event)["redacts"] == TARGET
        assert seen(event)["content"] == {"redacts": TARGET}


@pytest.mark.parametrize("content", [{}, {"redacts": 1}, {"redacts": None}])
def test_a_redaction_without_a_target_shows_none(content: dict[str, Any]) -> None:
    event = an_event(V12, type="m.room.redaction", content=content)

    assert "redacts" not in seen(event)
    assert seen(event)["content"] == content


def test_a_redacted_redaction_of_an_old_room_has_no_target() -> None:
    event = an_event(room_version("10"), type="m.room.redaction", redacts=TARGET)

    assert "redacts" not in seen(redacted_event(event))
    assert seen(redacted_event(event))["content"] == {}


def test_other_events_do_not_show_redacts() -> None:
    event = parse_pdu(a_pdu(room_version("10"), redacts=TARGET), room_version("10"))

    assert "redacts" not in seen(event)


@given(json_objects)
def test_content_is_spliced_in_as_it_is(content: JsonObject) -> None:
    event = an_event(V12, content=content)

    assert seen(event)["content"] == content
    assert client_json(event).startswith(b'{"content":' + event.raw_content + b',"event_id":')
