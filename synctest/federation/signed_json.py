"""Canonical JSON, signatures and hashes, written from the specification's appendices.

Independent of any homeserver, so that a mistake in one is not repeated by its judge.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import attrs
from nacl.signing import SigningKey

from synctest.connection import JsonObject


def canonical_json(value: object) -> bytes:
    """The shortest encoding with sorted keys; takes whatever Python's encoder takes."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    ).encode("utf-8", "surrogatepass")


def unpadded_base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def unpadded_urlsafe_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def without(value: Mapping[str, Any], keys: Collection[str]) -> JsonObject:
    """A copy that lacks some keys."""
    return {key: item for key, item in value.items() if key not in keys}


@attrs.frozen
class Signer:
    """A server name and the key with which it signs."""

    server_name: str
    key: SigningKey = attrs.field(factory=SigningKey.generate)
    key_id: str = "ed25519:hand"

    @property
    def verify_key(self) -> str:
        return unpadded_base64(self.key.verify_key.encode())

    def signature(self, value: Mapping[str, Any]) -> str:
        """The signature of an object, of which ``signatures`` and ``unsigned`` are left out."""
        signed = canonical_json(without(value, ("signatures", "unsigned")))
        return unpadded_base64(self.key.sign(signed).signature)

    def sign(self, value: Mapping[str, Any]) -> JsonObject:
        """A copy of an object with this signature, and those that it had."""
        signatures = {**value.get("signatures", {})}
        own = {**signatures.get(self.server_name, {}), self.key_id: self.signature(value)}
        return {**value, "signatures": {**signatures, self.server_name: own}}


def sha256(value: object) -> bytes:
    """The hash of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).digest()
