"""Cross-signing keys: their form and the signatures that hold them together.

Client-server API, "Cross-signing".
"""

from __future__ import annotations

from typing import Final

import attrs

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.device_keys import MAX_DEVICE_KEYS_BYTES, signatures_of
from homeserver.domain.errors import InvalidParam, MatrixError, TooLarge
from homeserver.domain.identifiers import UserId, parse_key_id
from homeserver.domain.signing import InvalidSignature, decode_base64, verify_signed_json

MASTER: Final = "master"
SELF_SIGNING: Final = "self_signing"
USER_SIGNING: Final = "user_signing"

ED25519: Final = "ed25519"
_PUBLIC_KEY_BYTES: Final = 32


class BadSignature(MatrixError):
    """A signature is missing, or not that of the key that must have made it."""

    errcode = "M_INVALID_SIGNATURE"
    default_message = "Invalid signature"


@attrs.frozen(slots=True)
class CrossSigningKey:
    """A cross-signing key of a user; ``signed`` is the object that others see."""

    usage: str
    public_key: str
    signed: JsonObject

    @property
    def key_id(self) -> str:
        """The name of the key in signatures."""
        return f"{ED25519}:{self.public_key}"


def parse_cross_signing_key(key: JsonObject, user_id: UserId, usage: str) -> CrossSigningKey:
    """A key as it was uploaded. Raises InvalidParam, BadJson and TooLarge."""
    if key.get("user_id") != user_id:
        raise InvalidParam("The cross-signing key is not yours")
    usages = key.get("usage")
    if not isinstance(usages, list) or usage not in usages:
        raise InvalidParam(f"The key is not for use as {usage}")
    public = key.get("keys")
    if not isinstance(public, dict) or len(public) != 1:
        raise InvalidParam("A cross-signing key has exactly one public key")
    [(key_id, public_key)] = public.items()
    algorithm, name = parse_key_id(key_id)
    if algorithm != ED25519 or name != public_key or not _is_public_key(name):
        raise InvalidParam("A cross-signing key is an Ed25519 key under its own name")
    signatures_of(key)
    signed = {name: value for name, value in key.items() if name != "unsigned"}
    if len(encode_canonical_json(signed)) > MAX_DEVICE_KEYS_BYTES:
        raise TooLarge(f"A cross-signing key has at most {MAX_DEVICE_KEYS_BYTES} bytes")
    return CrossSigningKey(usage, name, signed)


def check_signed_by(signed: JsonObject, user_id: UserId, key_id: str, public_key: str) -> None:
    """Check the signature that a key of a user made. Raises BadSignature."""
    try:
        verify_signed_json(signed, user_id, key_id, public_key)
    except InvalidSignature as error:
        raise BadSignature(str(error)) from error


def _is_public_key(text: str) -> bool:
    try:
        return len(decode_base64(text)) == _PUBLIC_KEY_BYTES
    except ValueError:
        return False
