"""Signatures of events beyond that of their author, and checking any of them.

Specification: server-server API, "Signing Events". An event's signatures cover its redacted form,
so adding one changes neither its ID nor the other signatures. Invites and restricted joins are
signed by a second server, policy servers sign what they recommend.
"""

from __future__ import annotations

from collections.abc import Mapping

from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.event_format import check_event_size
from homeserver.domain.event_hashes import essential_bytes
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName
from homeserver.domain.room_versions import RoomVersion
from homeserver.domain.signing import SigningKey, encode_base64, signature_by, verify_signature


def sign_event(event: Event, server_name: ServerName, key: SigningKey) -> Event:
    """``event`` with a further signature, by ``server_name``. Raises TooLarge."""
    signature = encode_base64(key.sign(essential_bytes(event.pdu_object(), event.version)))
    return add_signatures(event, {server_name: {key.key_id: signature}})


def add_signatures(event: Event, signatures: Mapping[str, Mapping[str, str]]) -> Event:
    """``event`` with further signatures, by entity and key ID, unchecked. Raises TooLarge."""
    pdu = event.pdu_object()
    for entity, by_key in signatures.items():
        pdu["signatures"].setdefault(entity, {}).update(by_key)
    encoded = encode_lenient_json(pdu)
    check_event_size(encoded)
    return Event.from_pdu(encoded, event.version, event.event_id)


def verify_event_signature(
    pdu: JsonObject,
    version: RoomVersion,
    server_name: ServerName | str,
    key_id: str,
    verify_key_base64: str,
) -> None:
    """Check one signature of an event by one key of an entity.

    It holds for the full event and for its redacted form alike. Raises InvalidSignature when it
    is missing or wrong.
    """
    signature = signature_by(pdu, server_name, key_id)
    verify_signature(essential_bytes(pdu, version), signature, verify_key_base64)
