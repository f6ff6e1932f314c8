"""Hashes of events: over their content, and over what identifies them.

Specification: server-server API, "Signing Events".
"""

from __future__ import annotations

import hashlib
from typing import Any

from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.room_versions import RoomVersion
from homeserver.domain.signing import decode_base64, encode_base64, signed_bytes


def content_hash(pdu: JsonObject) -> str:
    """The hash over the complete event, in unpadded Base64, as in ``hashes.sha256``.

    Raises BadJson for what is not JSON.
    """
    covered = {
        key: value for key, value in pdu.items() if key not in ("hashes", "signatures", "unsigned")
    }
    return encode_base64(hashlib.sha256(encode_lenient_json(covered)).digest())


def content_hash_matches(pdu: JsonObject) -> bool:
    """Whether ``hashes.sha256`` of a received event is the hash of its content.

    If not, the receiver goes on with the redacted event.
    """
    hashes: Any = pdu.get("hashes")
    claimed: Any = hashes.get("sha256") if isinstance(hashes, dict) else None
    if not isinstance(claimed, str):
        return False
    try:
        claimed_digest = decode_base64(claimed)
    except ValueError:
        return False
    return claimed_digest == decode_base64(content_hash(pdu))


def essential_bytes(pdu: JsonObject, version: RoomVersion) -> bytes:
    """Canonical JSON of the redacted event without ``signatures`` and ``unsigned``.

    This is what the event's signatures sign and its reference hash hashes.
    """
    return signed_bytes(version.redaction_rules.redact(pdu))


def reference_hash(pdu: JsonObject, version: RoomVersion) -> str:
    """The hash that identifies the event, in unpadded standard Base64."""
    return encode_base64(hashlib.sha256(essential_bytes(pdu, version)).digest())
