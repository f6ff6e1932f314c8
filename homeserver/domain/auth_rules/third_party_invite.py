"""The rules for invites that an invite to a third-party identifier led to.

Specification: room versions, "Authorisation rules", rule 5.4.1 of version 12; client-server API,
"Third-party invites".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import Any, Final

from homeserver.domain.auth_events import third_party_invite_token
from homeserver.domain.auth_rules.authorising_state import AuthorisingState
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event
from homeserver.domain.membership import Membership
from homeserver.domain.signing import InvalidSignature, signed_bytes, verify_signature

MAX_SIGNATURE_CHECKS: Final = 512
"""How many pairs of a signature and a public key are tried.

The specification knows no limit. An invite has one signature and one key, or a few; without a
limit two events of full size would keep a server busy for minutes.
"""


def check_third_party_invite(event: Event, target: str, room: AuthorisingState) -> None:
    """Check an invite with ``third_party_invite`` in its content. Raises Forbidden.

    That the sender sent the invite to the third-party identifier is enough; the sender need not
    be in the room any more.
    """
    if room.membership(target) is Membership.BAN:
        raise Forbidden(f"{target} is banned from the room")
    signed = _signed_part(event)
    if signed["mxid"] != target:
        raise Forbidden("The third-party invite is for another user")
    token = third_party_invite_token(event.content)
    invite = None if token is None else room.state.get(("m.room.third_party_invite", token))
    if invite is None:
        raise Forbidden("The room has no third-party invite with this token")
    if event.sender != invite.sender:
        raise Forbidden("The third-party invite was sent by another user")
    if not _is_signed_by_any(signed, invite.content):
        raise Forbidden("The third-party invite is not signed with a key of its identity server")


def _signed_part(event: Event) -> JsonObject:
    invite: Any = event.content["third_party_invite"]
    signed: Any = invite.get("signed") if isinstance(invite, dict) else None
    if isinstance(signed, dict) and "mxid" in signed and "token" in signed:
        return signed
    raise Forbidden("third_party_invite has no signed user ID and token")


def _is_signed_by_any(signed: JsonObject, invite_content: JsonObject) -> bool:
    message = signed_bytes(signed)
    pairs = product(_signatures(signed), list(_public_keys(invite_content)))
    return any(
        _is_signature(message, signature, public_key)
        for signature, public_key in islice(pairs, MAX_SIGNATURE_CHECKS)
    )


def _is_signature(message: bytes, signature: str, public_key: str) -> bool:
    try:
        verify_signature(message, signature, public_key)
    except InvalidSignature:
        return False
    return True


def _signatures(signed: JsonObject) -> Iterator[str]:
    by_entity = signed.get("signatures")
    if not isinstance(by_entity, dict):
        return
    for by_key in by_entity.values():
        if isinstance(by_key, dict):
            for key_id, signature in by_key.items():
                if key_id.startswith("ed25519:") and isinstance(signature, str):
                    yield signature


def _public_keys(invite_content: JsonObject) -> Iterator[str]:
    """The keys in either alphabet of Base64, made to be in the standard one."""
    entries: Any = invite_content.get("public_keys")
    for entry in [invite_content, *(entries if isinstance(entries, list) else [])]:
        key = entry.get("public_key") if isinstance(entry, dict) else None
        if isinstance(key, str):
            yield key.replace("-", "+").replace("_", "/")
