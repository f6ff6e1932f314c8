"""Which parts of an event survive its redaction, as a value that a room version holds.

Specification: room versions, "Redactions". Hashes and signatures cover exactly what survives, so
these rules also decide event IDs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from homeserver.domain.canonical_json import JsonObject


@attrs.frozen(eq=False)
class RedactionRules:
    """The redaction algorithm of a room version.

    ``event_keys`` are the top-level keys that stay; ``content_keys`` maps an event type to the
    keys of its content that stay, none for any other type.
    """

    event_keys: frozenset[str]
    content_keys: Mapping[str, frozenset[str]]
    keep_create_content: bool = False
    """`m.room.create` keeps its whole content."""
    keep_third_party_invite_signed: bool = False
    """`m.room.member` keeps ``signed`` within ``third_party_invite``."""

    def redact(self, pdu: JsonObject) -> JsonObject:
        """A copy of ``pdu`` with only what the rules keep; what is kept is shared, not copied."""
        redacted = {key: value for key, value in pdu.items() if key in self.event_keys}
        redacted["content"] = self._redact_content(pdu["type"], pdu["content"])
        return redacted

    def _redact_content(self, event_type: str, content: JsonObject) -> JsonObject:
        if event_type == "m.room.create" and self.keep_create_content:
            return content
        keys = self.content_keys.get(event_type)
        if keys is None:
            return {}
        redacted = {key: value for key, value in content.items() if key in keys}
        if event_type == "m.room.member" and self.keep_third_party_invite_signed:
            redacted |= _signed_third_party_invite(content)
        return redacted


def _signed_third_party_invite(content: JsonObject) -> JsonObject:
    invite: Any = content.get("third_party_invite")
    if not isinstance(invite, dict):
        return {}
    return {"third_party_invite": {key: invite[key] for key in ("signed",) if key in invite}}


_EVENT_KEYS_V11: Final = frozenset(
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
_EVENT_KEYS_V1: Final = _EVENT_KEYS_V11 | {"prev_state", "origin", "membership"}

_CONTENT_KEYS_V6: Final[Mapping[str, frozenset[str]]] = {
    "m.room.member": frozenset({"membership"}),
    "m.room.create": frozenset({"creator"}),
    "m.room.join_rules": frozenset({"join_rule"}),
    "m.room.power_levels": frozenset(
        {
            "ban",
            "events",
            "events_default",
            "kick",
            "redact",
            "state_default",
            "users",
            "users_default",
        }
    ),
    "m.room.history_visibility": frozenset({"history_visibility"}),
}
_CONTENT_KEYS_V1: Final = {**_CONTENT_KEYS_V6, "m.room.aliases": frozenset({"aliases"})}
_CONTENT_KEYS_V8: Final = {
    **_CONTENT_KEYS_V6,
    "m.room.join_rules": frozenset({"join_rule", "allow"}),
}
_CONTENT_KEYS_V9: Final = {
    **_CONTENT_KEYS_V8,
    "m.room.member": frozenset({"membership", "join_authorised_via_users_server"}),
}
_CONTENT_KEYS_V11: Final = {
    **_CONTENT_KEYS_V9,
    "m.room.power_levels": _CONTENT_KEYS_V9["m.room.power_levels"] | {"invite"},
    "m.room.redaction": frozenset({"redacts"}),
}

REDACTION_RULES_V1: Final = RedactionRules(_EVENT_KEYS_V1, _CONTENT_KEYS_V1)
REDACTION_RULES_V6: Final = RedactionRules(_EVENT_KEYS_V1, _CONTENT_KEYS_V6)
REDACTION_RULES_V8: Final = RedactionRules(_EVENT_KEYS_V1, _CONTENT_KEYS_V8)
REDACTION_RULES_V9: Final = RedactionRules(_EVENT_KEYS_V1, _CONTENT_KEYS_V9)
REDACTION_RULES_V11: Final = RedactionRules(
    _EVENT_KEYS_V11,
    _CONTENT_KEYS_V11,
    keep_create_content=True,
    keep_third_party_invite_signed=True,
)
