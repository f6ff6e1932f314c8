"""The keys of a device and of its user, signed as a client signs them."""

from __future__ import annotations

import base64
import itertools
import json
import secrets

from nacl.signing import SigningKey

from synctest.client import Client
from synctest.connection import JsonObject

CLAIMED = "signed_curve25519"
"""The algorithm of one-time and fallback keys."""

_ALGORITHMS = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]


class DeviceKeys:
    """Makes the keys of one device: identity keys, one-time keys, fallback keys.

    The curve25519 keys are random bytes: servers do not compute with them.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._signing_key = SigningKey.generate()
        self._numbers = itertools.count(1)

    def identity(self) -> JsonObject:
        """The ``device_keys`` of an upload."""
        device_id = self._client.device_id
        return self._signed(
            {
                "user_id": self._client.user_id,
                "device_id": device_id,
                "algorithms": _ALGORITHMS,
                "keys": {
                    f"curve25519:{device_id}": _random_key(),
                    f"ed25519:{device_id}": _public(self._signing_key),
                },
            }
        )

    def one_time(self, count: int) -> dict[str, JsonObject]:
        """So many new ``one_time_keys`` of an upload, by key ID."""
        return dict(self._claimable({}) for _ in range(count))

    def fallback(self) -> dict[str, JsonObject]:
        """The ``fallback_keys`` of an upload: one new key, by key ID."""
        return dict([self._claimable({"fallback": True})])

    def _claimable(self, properties: JsonObject) -> tuple[str, JsonObject]:
        key_id = f"{CLAIMED}:{base64.urlsafe_b64encode(next(self._numbers).to_bytes(6)).decode()}"
        return key_id, self._signed({"key": _random_key(), **properties})

    def _signed(self, value: JsonObject) -> JsonObject:
        key_id = f"ed25519:{self._client.device_id}"
        return sign(value, self._client.user_id, key_id, self._signing_key)


def cross_signing_keys(user_id: str) -> JsonObject:
    """New cross-signing keys of a user, as they are uploaded."""
    keys = {usage: SigningKey.generate() for usage in ("master", "self_signing", "user_signing")}
    master_id = f"ed25519:{_public(keys['master'])}"
    return {
        f"{usage}_key": sign(
            {
                "user_id": user_id,
                "usage": [usage],
                "keys": {f"ed25519:{_public(key)}": _public(key)},
            },
            user_id,
            master_id,
            keys["master"],
        )
        for usage, key in keys.items()
    }


def sign(value: JsonObject, user_id: str, key_id: str, key: SigningKey) -> JsonObject:
    """The object with a signature (appendices, "Signing JSON")."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    signature = _base64(key.sign(canonical.encode()).signature)
    return {**value, "signatures": {user_id: {key_id: signature}}}


def _public(key: SigningKey) -> str:
    return _base64(bytes(key.verify_key))


def _random_key() -> str:
    return _base64(secrets.token_bytes(32))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
