"""Events as servers exchange them, in room versions 9 to 12: hashes, IDs, signatures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from synctest.connection import JsonObject
from synctest.federation.signed_json import (
    Signer,
    sha256,
    unpadded_base64,
    unpadded_urlsafe_base64,
    without,
)

OLDEST_VERSION = 9
"""The scripted server joins rooms from this version on."""

_KEPT = frozenset(
    {
        "event_id",
        "type",
        "room_id",
        "sender",
        "state_key",
        "content",
        "hashes",
        "signatures",
        "depth",
        "prev_events",
        "auth_events",
        "origin_server_ts",
    }
)
_KEPT_UNTIL_10 = _KEPT | {"prev_state", "origin", "membership"}
_LEVELS = [
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
]
_KEPT_CONTENT: Mapping[str, list[str]] = {
    "m.room.member": ["membership", "join_authorised_via_users_server"],
    "m.room.join_rules": ["join_rule", "allow"],
    "m.room.history_visibility": ["history_visibility"],
}


def redacted(pdu: Mapping[str, Any], room_version: str) -> JsonObject:
    """What a redaction leaves of an event, in versions 9 to 12."""
    recent = int(room_version) >= 11
    # Of what is no event, just as much is left as if it were.
    content: JsonObject = dict(pdu.get("content", {}))
    event_type = pdu.get("type")
    if event_type == "m.room.create":
        kept = list(content) if recent else ["creator"]
    elif event_type == "m.room.power_levels":
        kept = [*_LEVELS, "invite"] if recent else _LEVELS
    elif event_type == "m.room.redaction":
        kept = ["redacts"] if recent else []
    else:
        kept = list(_KEPT_CONTENT.get(str(event_type), ()))
    left = {key: value for key, value in content.items() if key in kept}
    if event_type == "m.room.member" and recent:
        invite = content.get("third_party_invite")
        if isinstance(invite, dict) and "signed" in invite:
            left["third_party_invite"] = {"signed": invite["signed"]}
    keys = _KEPT if recent else _KEPT_UNTIL_10
    return {**{key: value for key, value in pdu.items() if key in keys}, "content": left}


def event_id_of(pdu: Mapping[str, Any], room_version: str) -> str:
    """The event ID: the reference hash, in URL-safe Base64."""
    left = without(redacted(pdu, room_version), ("signatures", "age_ts", "unsigned"))
    return "$" + unpadded_urlsafe_base64(sha256(left))


def hashed(pdu: Mapping[str, Any]) -> JsonObject:
    """The event with its content hash."""
    digest = sha256(without(pdu, ("unsigned", "signatures", "hashes")))
    return {**pdu, "hashes": {"sha256": unpadded_base64(digest)}}


def signed(pdu: Mapping[str, Any], room_version: str, signer: Signer) -> JsonObject:
    """The event with the server's signature over its redacted form."""
    signatures = signer.sign(redacted(pdu, room_version))["signatures"]
    return {**pdu, "signatures": signatures}


def finished(pdu: Mapping[str, Any], room_version: str, signer: Signer) -> JsonObject:
    """The event with its hash and signature."""
    return signed(hashed(pdu), room_version, signer)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
