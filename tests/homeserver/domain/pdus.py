"""Events for tests: drafts, PDUs and signed events of any room version, with fixed keys."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import strategies as st

from homeserver.domain.canonical_json import MAX_INTEGER, JsonObject
from homeserver.domain.events import Event, EventDraft, EventReference, build_event
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.domain.room_versions import ROOM_VERSIONS, EventFormat, RoomVersion
from homeserver.domain.signing import SigningKey

SERVER: Final = ServerName("example.org")
ALICE: Final = UserId("@alice:example.org")
KEY: Final = SigningKey.from_seed("1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
HASH: Final = "q" * 43

ALL_VERSIONS: Final = list(ROOM_VERSIONS.values())
all_versions = pytest.mark.parametrize("version", ALL_VERSIONS, ids=lambda v: f"v{v.identifier}")
"""Runs a test with each room version as its argument ``version``."""

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-MAX_INTEGER, max_value=MAX_INTEGER)
    | st.text(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4)
    ),
    max_leaves=15,
)
json_objects: st.SearchStrategy[JsonObject] = st.dictionaries(st.text(), json_values, max_size=5)


def a_reference(version: RoomVersion, name: str = "p") -> EventReference:
    """A reference to an event that nobody has."""
    if version.event_format is EventFormat.V1:
        return EventReference(EventId(f"${name}:example.org"), HASH)
    return EventReference(EventId("$" + name.ljust(43, "A")), HASH)


def a_draft(version: RoomVersion, **changes: Any) -> EventDraft:
    """A text message by Alice, with changes."""
    fields: dict[str, Any] = {
        "room_id": RoomId("!" + "r" * 43 if version.room_id_is_create_hash else "!r:example.org"),
        "type": "m.room.message",
        "sender": ALICE,
        "state_key": None,
        "content": {"body": "hello", "msgtype": "m.text"},
        "origin_server_ts": 1_700_000_000_000,
    }
    return EventDraft(**{**fields, **changes})


def an_event(version: RoomVersion, *, depth: int = 7, **changes: Any) -> Event:
    """A signed text message by Alice, with changes to its draft."""
    return build_event(
        a_draft(version, **changes),
        version,
        prev_events=[a_reference(version, "p")],
        auth_events=[a_reference(version, "a"), a_reference(version, "b")],
        depth=depth,
        server_name=SERVER,
        signing_key=KEY,
        event_id=EventId("$e:example.org") if version.event_format is EventFormat.V1 else None,
    )


def a_create_event(version: RoomVersion) -> Event:
    """The first event of a room."""
    return build_event(
        a_draft(
            version,
            room_id=None if version.room_id_is_create_hash else RoomId("!r:example.org"),
            type="m.room.create",
            state_key="",
            content={"room_version": version.identifier},
        ),
        version,
        prev_events=[],
        auth_events=[],
        depth=1,
        server_name=SERVER,
        signing_key=KEY,
        event_id=EventId("$c:example.org") if version.event_format is EventFormat.V1 else None,
    )


def a_pdu(version: RoomVersion, **changes: Any) -> JsonObject:
    """The PDU of `an_event` with top-level fields changed, or removed where None."""
    pdu = {**an_event(version).pdu_object(), **changes}
    return {key: value for key, value in pdu.items() if value is not None}
