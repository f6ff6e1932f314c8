"""Redacting events: stripping what the room does not need to go on working.

Specification: client-server API, "Redactions"; room versions, "Redactions". The rules themselves
are in `homeserver.domain.redaction_rules`.
"""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.events import Event
from homeserver.domain.room_versions import RoomVersion


def redact_pdu(pdu: JsonObject, version: RoomVersion) -> JsonObject:
    """A redacted copy of a PDU; values that stay are shared with it."""
    return version.redaction_rules.redact(pdu)


def redacted_event(event: Event) -> Event:
    """The redacted form of ``event``, with the same ID and valid signatures."""
    redacted = redact_pdu(event.pdu_object(), event.version)
    return Event.from_pdu(encode_lenient_json(redacted), event.version, event.event_id)
