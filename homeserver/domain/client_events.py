"""Events as clients see them.

Specification: client-server API, "Room event format".
"""

from __future__ import annotations

import msgspec

from homeserver.domain.canonical_json import encode_lenient_json
from homeserver.domain.events import Event


class _ClientEvent(msgspec.Struct, gc=False):
    """The fields that are the same for every reader, in the order they are written."""

    content: msgspec.Raw
    event_id: str
    origin_server_ts: int
    redacts: str | msgspec.UnsetType
    sender: str
    state_key: str | msgspec.UnsetType
    type: str


_encode = msgspec.json.Encoder().encode


def client_json(event: Event) -> bytes:
    """The JSON of an event for clients, without ``room_id``, ``unsigned`` and the closing brace.

    The caller appends these as its reader needs them. A redaction names its target at the top
    level and in the content, whichever of the two its room version has (room version 11, "Moving
    the ``redacts`` property").
    """
    raw_content = event.raw_content
    if event.redacts is not None and not event.version.redacts_in_content:
        raw_content = encode_lenient_json({**event.content, "redacts": event.redacts})
    fields = _ClientEvent(
        msgspec.Raw(raw_content),
        event.event_id,
        event.origin_server_ts,
        msgspec.UNSET if event.redacts is None else event.redacts,
        event.sender,
        msgspec.UNSET if event.state_key is None else event.state_key,
        event.type,
    )
    return _encode(fields)[:-1]
