"""Signing and verifying JSON with Ed25519, and the Base64 of keys, hashes and signatures.

Specification: appendices, "Signing JSON" and "Unpadded Base64".
"""

from __future__ import annotations

import base64
from typing import Any, Final

import attrs
import nacl.exceptions
import nacl.signing

from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.identifiers import ServerName

ALGORITHM: Final = "ed25519"


class InvalidSignature(ValueError):
    """A signature is absent, malformed or not that of the key."""


@attrs.frozen
class SigningKey:
    """A private Ed25519 key; ``key_id`` is its name to other servers, such as ``ed25519:a_1``."""

    key_id: str
    _private: nacl.signing.SigningKey = attrs.field(repr=False)

    @classmethod
    def generate(cls, version: str) -> SigningKey:
        """A new random key named ``ed25519:<version>``."""
        return cls(f"{ALGORITHM}:{version}", nacl.signing.SigningKey.generate())

    @classmethod
    def from_seed(cls, version: str, seed_base64: str) -> SigningKey:
        """The key of a 32-byte seed in Base64. Raises ValueError when it is malformed."""
        try:
            private = nacl.signing.SigningKey(decode_base64(seed_base64))
        except nacl.exceptions.CryptoError as error:
            raise ValueError("The seed of a signing key must have 32 bytes") from error
        return cls(f"{ALGORITHM}:{version}", private)

    @property
    def seed_base64(self) -> str:
        """The secret, in unpadded Base64, from which `from_seed` makes the key again."""
        return encode_base64(bytes(self._private))

    @property
    def verify_key_base64(self) -> str:
        """The public key in unpadded Base64."""
        return encode_base64(bytes(self._private.verify_key))

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature of ``message``."""
        return self._private.sign(message).signature


def sign_json(obj: JsonObject, server_name: ServerName | str, key: SigningKey) -> JsonObject:
    """A copy of ``obj`` with a signature added under ``signatures``.

    ``signatures`` and ``unsigned`` are not covered. Numbers that canonical JSON does not allow are
    signed as they are: a request may carry events of room versions 1 to 5. Raises BadJson for what
    is not JSON.
    """
    signature = encode_base64(key.sign(signed_bytes(obj)))
    signatures = {name: dict(by_key) for name, by_key in obj.get("signatures", {}).items()}
    signatures.setdefault(server_name, {})[key.key_id] = signature
    return {**obj, "signatures": signatures}


def verify_signed_json(
    obj: JsonObject, server_name: ServerName | str, key_id: str, verify_key_base64: str
) -> None:
    """Check the signature of ``obj`` by one key of one server (or other entity).

    Raises InvalidSignature when it is missing or wrong, BadJson for what is not JSON.
    """
    signature = signature_by(obj, server_name, key_id)
    verify_signature(signed_bytes(obj), signature, verify_key_base64)


def verify_signature(message: bytes, signature_base64: str, verify_key_base64: str) -> None:
    """Check one signature of ``message``. Raises InvalidSignature."""
    try:
        key = nacl.signing.VerifyKey(decode_base64(verify_key_base64))
        key.verify(message, decode_base64(signature_base64))
    except (nacl.exceptions.CryptoError, ValueError) as error:
        raise InvalidSignature("The signature does not match") from error


def signature_by(obj: JsonObject, server_name: ServerName | str, key_id: str) -> str:
    """The signature that ``obj`` carries of this entity and key. Raises InvalidSignature."""
    signatures: Any = obj.get("signatures")
    for key in (server_name, key_id):
        signatures = signatures.get(key) if isinstance(signatures, dict) else None
    if not isinstance(signatures, str):
        raise InvalidSignature(f"There is no signature by {server_name} with the key {key_id}")
    return signatures


def signed_bytes(obj: JsonObject) -> bytes:
    """The bytes of ``obj`` that its signatures cover. Raises BadJson for what is not JSON."""
    covered = {key: value for key, value in obj.items() if key not in ("signatures", "unsigned")}
    return encode_lenient_json(covered)


def encode_base64(data: bytes, *, urlsafe: bool = False) -> str:
    """Encode as unpadded Base64, standard or URL-safe."""
    encoded = base64.urlsafe_b64encode(data) if urlsafe else base64.b64encode(data)
    return encoded.rstrip(b"=").decode("ascii")


def decode_base64(text: str, *, urlsafe: bool = False) -> bytes:
    """Decode Base64 with or without padding. Raises ValueError for other characters."""
    unpadded = text.rstrip("=")
    if urlsafe:
        if "+" in unpadded or "/" in unpadded:
            raise ValueError("This is standard, not URL-safe Base64")
        unpadded = unpadded.replace("-", "+").replace("_", "/")
    return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
