"""Policy servers: whether a room has one, and whether it recommends an event.

Server-server API, "Policy Servers".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from homeserver.domain.event_signatures import verify_event_signature
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName, is_server_name
from homeserver.domain.signing import InvalidSignature

POLICY_KEY: Final = ("m.room.policy", "")
POLICY_KEY_ID: Final = "ed25519:policy_server"
"""The ID of every policy server's key."""


@attrs.frozen(slots=True)
class PolicyServer:
    """The policy server of a room, and its public key in unpadded Base64."""

    server: ServerName
    public_key: str


def policy_server(
    content: Mapping[str, Any] | None, joined_servers: Collection[ServerName]
) -> PolicyServer | None:
    """The policy server that a room uses, by the content of its `m.room.policy` event; None unless
    that is valid and a user of that server is in the room."""
    if content is None:
        return None
    via, keys = content.get("via"), content.get("public_keys")
    key = keys.get("ed25519") if isinstance(keys, dict) else None
    if not isinstance(via, str) or not is_server_name(via) or not isinstance(key, str):
        return None
    server = ServerName(via)
    return PolicyServer(server, key) if server in joined_servers else None


def needs_recommendation(event: Event) -> bool:
    """Whether policy servers are asked about an event: about all but those that choose them."""
    return (event.type, event.state_key) != POLICY_KEY


def is_recommended(event: Event, policy: PolicyServer | None) -> bool:
    """Whether an event may be sent and shown in a room with this policy server, or none."""
    if policy is None or not needs_recommendation(event):
        return True
    try:
        verify_event_signature(
            event.pdu_object(), event.version, policy.server, POLICY_KEY_ID, policy.public_key
        )
    except InvalidSignature:
        return False
    return True
