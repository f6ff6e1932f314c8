from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.domain.relations import (
    Relation,
    can_be_annotated,
    can_be_thread_root,
    is_edit,
    is_valid_replacement,
    latest_replacement,
    relation_of,
    thread_root_of,
)
from homeserver.domain.room_versions import room_version
from tests.homeserver.domain.pdus import an_event, json_objects, json_values

VERSION = room_version("11")
PARENT = EventId("$parent")
OTHER = EventId("$other")
ORIGINAL = an_event(VERSION)


def related(rel_type: Any, event_id: Any = PARENT, **further: Any) -> JsonObject:
    return {"m.relates_to": {"rel_type": rel_type, "event_id": event_id, **further}}


REPLY: JsonObject = {"m.relates_to": {"m.in_reply_to": {"event_id": OTHER}}}


@pytest.mark.parametrize(
    ("content", "relation"),
    [
        (related("m.reference"), Relation("m.reference", PARENT)),
        (related("org.example.odd"), Relation("org.example.odd", PARENT)),
        (related("m.annotation", key="👍"), Relation("m.annotation", PARENT, key="👍")),
        (related("m.annotation", key=1), Relation("m.annotation", PARENT)),
        (REPLY, Relation(None, None, in_reply_to=OTHER)),
        (
            related("m.thread", is_falling_back=True, **{"m.in_reply_to": {"event_id": OTHER}}),
            Relation("m.thread", PARENT, in_reply_to=OTHER),
        ),
        (
            {"m.relates_to": {"rel_type": "m.thread", "m.in_reply_to": {"event_id": OTHER}}},
            Relation(None, None, in_reply_to=OTHER),
        ),
    ],
)
def test_a_relation_is_read_from_the_content(content: JsonObject, relation: Relation) -> None:
    assert relation_of(content) == relation


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"m.relates_to": None},
        {"m.relates_to": "$parent"},
        {"m.relates_to": {}},
        {"m.relates_to": {"rel_type": "m.thread"}},
        {"m.relates_to": {"event_id": "$parent"}},
        {"m.relates_to": {"m.in_reply_to": "$other"}},
        {"m.relates_to": {"m.in_reply_to": {"event_id": 1}}},
        related(1),
        related(""),
        related("x" * 256),
        related(None),
        related("m.thread", event_id=1),
        related("m.thread", event_id="parent"),
        related("m.thread", event_id="$"),
        related("m.thread", event_id="$" + "x" * 255),
    ],
)
def test_malformed_relations_are_ignored(content: JsonObject) -> None:
    assert relation_of(content) is None
    assert thread_root_of(content) is None
    assert not is_edit(content)


@given(json_objects, json_values, json_values)
def test_no_content_is_too_odd(content: JsonObject, relates_to: Any, inner: Any) -> None:
    relation_of({**content, "m.relates_to": relates_to})
    relation_of(related(inner, inner, **{"m.in_reply_to": inner}))


def test_only_threads_have_a_thread_root() -> None:
    assert thread_root_of(related("m.thread")) == PARENT
    assert thread_root_of(related("m.reference")) is None
    assert thread_root_of(REPLY) is None


@pytest.mark.parametrize(
    ("content", "as_root", "with_annotations"),
    [
        ({}, True, True),
        (REPLY, True, True),
        (related("m.thread"), False, True),
        (related("m.reference"), False, True),
        (related("m.annotation"), False, False),
        (related("m.replace"), False, False),
    ],
)
def test_not_every_event_can_be_a_parent(
    content: JsonObject, as_root: bool, with_annotations: bool
) -> None:
    assert can_be_thread_root(content) is as_root
    assert can_be_annotated(content) is with_annotations


def an_edit(event_id: EventId = ORIGINAL.event_id, **content: Any) -> JsonObject:
    new_content = {"msgtype": "m.text", "body": "new"}
    return {
        "body": "* new",
        "m.new_content": new_content,
        **related("m.replace", event_id),
        **content,
    }


def test_the_author_can_replace_a_message() -> None:
    edit = an_event(VERSION, content=an_edit())
    assert is_edit(edit.content)
    assert is_valid_replacement(ORIGINAL, edit)


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": UserId("@bob:example.org")},
        {"room_id": RoomId("!other:example.org")},
        {"type": "m.sticker"},
        {"state_key": ""},
        {"content": an_edit(OTHER)},
        {"content": {**an_edit(), **related("m.reference", ORIGINAL.event_id)}},
        {"content": related("m.replace", ORIGINAL.event_id)},
        {"content": {**an_edit(), "m.new_content": "new"}},
        {"content": {"body": "no relation"}},
    ],
)
def test_an_edit_must_fit_its_original(changes: dict[str, Any]) -> None:
    edit = an_event(VERSION, **{"content": an_edit(), **changes})
    assert not is_valid_replacement(ORIGINAL, edit)


def test_state_events_cannot_be_replaced() -> None:
    original = an_event(VERSION, state_key="")
    edit = an_event(VERSION, content=an_edit(original.event_id))
    assert not is_valid_replacement(original, edit)


def test_edits_cannot_be_replaced() -> None:
    first = an_event(VERSION, content=an_edit())
    second = an_event(VERSION, content=an_edit(first.event_id))
    assert not is_valid_replacement(first, second)


def test_the_new_content_of_an_encrypted_message_cannot_be_seen() -> None:
    original = an_event(VERSION, type="m.room.encrypted", content={"ciphertext": "abc"})
    content = {"ciphertext": "def", **related("m.replace", original.event_id)}
    edit = an_event(VERSION, type="m.room.encrypted", content=content)
    assert is_valid_replacement(original, edit)
    assert not is_valid_replacement(original, an_event(VERSION, content=content))


def test_the_latest_valid_edit_counts() -> None:
    early, late, latest_invalid = (
        an_event(VERSION, origin_server_ts=ts, content=content)
        for ts, content in [(1, an_edit()), (2, an_edit()), (3, an_edit(OTHER))]
    )
    assert latest_replacement(ORIGINAL, [late, early, latest_invalid]) == late
    assert latest_replacement(ORIGINAL, [latest_invalid]) is None


def test_of_simultaneous_edits_the_one_with_the_greatest_id_counts() -> None:
    edits = [
        an_event(VERSION, content=an_edit(body=f"* {number}"), origin_server_ts=1)
        for number in range(5)
    ]
    assert latest_replacement(ORIGINAL, edits) == max(edits, key=lambda edit: edit.event_id)
