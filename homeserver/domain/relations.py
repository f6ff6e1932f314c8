"""Relationships between events, as the child states them in its content.

Client-server API, "Forming relationships between events", with the modules on event replacements,
annotations, threading, references and rich replies. What is malformed in a relationship is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from homeserver.domain.identifiers import MAX_IDENTIFIER_BYTES, EventId

REPLACEMENT: Final = "m.replace"
ANNOTATION: Final = "m.annotation"
THREAD: Final = "m.thread"
REFERENCE: Final = "m.reference"

_ENCRYPTED: Final = "m.room.encrypted"


@attrs.frozen
class Relation:
    """What the ``m.relates_to`` of an event says.

    ``rel_type`` and ``target_event_id`` are given together or not at all; without them the event is
    a plain rich reply.
    """

    rel_type: str | None
    target_event_id: EventId | None
    """The parent, in the same room: the root, for threads."""
    key: str | None = None
    """What an annotation says about its parent."""
    in_reply_to: EventId | None = None
    """The event to which a rich reply answers, or seems to for clients without threads."""


def relation_of(content: JsonObject) -> Relation | None:
    """The relationship of an event with this content to others; None if there is none.

    Whether the parent exists, and may be a parent, is for the caller to check.
    """
    relates_to = content.get("m.relates_to")
    if not isinstance(relates_to, dict):
        return None
    rel_type = relates_to.get("rel_type")
    target = _event_id(relates_to.get("event_id"))
    in_reply_to = _in_reply_to(relates_to)
    if target is not None and _is_relation_type(rel_type):
        key = relates_to.get("key")
        return Relation(rel_type, target, key if isinstance(key, str) else None, in_reply_to)
    if in_reply_to is not None:
        return Relation(None, None, None, in_reply_to)
    return None


def thread_root_of(content: JsonObject) -> EventId | None:
    """The root of the thread that an event states to be in."""
    relation = relation_of(content)
    return relation.target_event_id if relation and relation.rel_type == THREAD else None


def is_edit(content: JsonObject) -> bool:
    """Whether an event wants to replace another one."""
    return _has_relation_type(content, REPLACEMENT)


def can_be_thread_root(content: JsonObject) -> bool:
    """Whether a thread can start at an event: it must not be a child itself, except as a reply."""
    relation = relation_of(content)
    return relation is None or relation.rel_type is None


def can_be_annotated(content: JsonObject) -> bool:
    """Whether an event can be reacted to: it must be neither an annotation nor an edit."""
    return not _has_relation_type(content, ANNOTATION, REPLACEMENT)


def is_valid_replacement(original: Event, replacement: Event) -> bool:
    """Whether an edit is to be shown with the original; otherwise it is ignored.

    "Validity of replacement events". The new content of encrypted events cannot be seen by servers.
    """
    relation = relation_of(replacement.content)
    return (
        relation is not None
        and relation.rel_type == REPLACEMENT
        and relation.target_event_id == original.event_id
        and replacement.room_id == original.room_id
        and replacement.sender == original.sender
        and replacement.type == original.type
        and not (original.is_state or replacement.is_state)
        and not is_edit(original.content)
        and (replacement.type == _ENCRYPTED or _has_new_content(replacement.content))
    )


def latest_replacement(original: Event, edits: Iterable[Event]) -> Event | None:
    """The valid edit that counts: the last one by timestamp, and then by event ID."""
    return max(
        (edit for edit in edits if is_valid_replacement(original, edit)),
        key=lambda edit: (edit.origin_server_ts, edit.event_id),
        default=None,
    )


def _has_relation_type(content: JsonObject, *rel_types: str) -> bool:
    relation = relation_of(content)
    return relation is not None and relation.rel_type in rel_types


def _has_new_content(content: JsonObject) -> bool:
    return isinstance(content.get("m.new_content"), dict)


def _in_reply_to(relates_to: dict[str, Any]) -> EventId | None:
    reply = relates_to.get("m.in_reply_to")
    return _event_id(reply.get("event_id")) if isinstance(reply, dict) else None


def _is_relation_type(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER_BYTES


def _event_id(value: object) -> EventId | None:
    """An event ID, if it looks like one."""
    if not isinstance(value, str) or not value.startswith("$"):
        return None
    return EventId(value) if 1 < len(value) <= MAX_IDENTIFIER_BYTES else None
