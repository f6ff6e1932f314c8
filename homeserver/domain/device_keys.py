"""The keys that devices upload: their form, and what makes two of them the same.

Client-server API, "Key Distribution". Whether signatures are right is for clients to check, who
alone know whom to trust; the server checks what it stores and hands out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.errors import BadJson, InvalidParam, TooLarge
from homeserver.domain.identifiers import DeviceId, UserId, parse_key_id

MAX_DEVICE_KEYS_BYTES: Final = 65_536
MAX_KEY_BYTES: Final = 8_192
"""The largest one-time or fallback key."""
MAX_KEYS_AT_ONCE: Final = 1_000

_NOT_SIGNED: Final = ("signatures", "unsigned")


@attrs.frozen(slots=True)
class ClaimableKey:
    """A one-time or fallback key; ``key`` is its canonical JSON."""

    algorithm: str
    key_id: str
    key: bytes


def check_device_keys(keys: JsonObject, user_id: UserId, device_id: DeviceId) -> JsonObject:
    """The device keys to store, without what is not theirs to say.

    Raises InvalidParam when they are another device's or have malformed key IDs, BadJson, TooLarge.
    """
    if keys.get("user_id") != user_id or keys.get("device_id") != device_id:
        raise InvalidParam("The device keys are not those of this device")
    algorithms = keys.get("algorithms")
    if not isinstance(algorithms, list) or not all(isinstance(a, str) for a in algorithms):
        raise BadJson("`device_keys.algorithms` must be an array of strings")
    public = keys.get("keys")
    if not isinstance(public, dict) or not all(isinstance(key, str) for key in public.values()):
        raise BadJson("`device_keys.keys` must be an object of strings")
    for key_id in public:
        parse_key_id(key_id)
    signatures_of(keys)
    stored = {name: value for name, value in keys.items() if name != "unsigned"}
    if len(encode_canonical_json(stored)) > MAX_DEVICE_KEYS_BYTES:
        raise TooLarge(f"The keys of a device have at most {MAX_DEVICE_KEYS_BYTES} bytes")
    return stored


def parse_one_time_keys(keys: Mapping[str, Any]) -> list[ClaimableKey]:
    """The keys of an object from ``<algorithm>:<key_id>`` to keys.

    Raises InvalidParam for malformed key IDs or too many keys, BadJson, TooLarge.
    """
    if len(keys) > MAX_KEYS_AT_ONCE:
        raise InvalidParam(f"At most {MAX_KEYS_AT_ONCE} keys can be uploaded at once")
    return [_claimable(name, key) for name, key in keys.items()]


def parse_fallback_keys(keys: Mapping[str, Any]) -> list[ClaimableKey]:
    """Like `parse_one_time_keys`, with at most one key for each algorithm."""
    parsed = parse_one_time_keys(keys)
    if len({key.algorithm for key in parsed}) < len(parsed):
        raise InvalidParam("There can be one fallback key for each algorithm")
    return parsed


def _claimable(name: str, key: Any) -> ClaimableKey:
    algorithm, key_id = parse_key_id(name)
    if not isinstance(key, str):
        if not isinstance(key, dict) or not isinstance(key.get("key"), str):
            raise BadJson("A key must be a string, or an object with a string under `key`")
        signatures_of(key)
    encoded = encode_canonical_json(key)
    if len(encoded) > MAX_KEY_BYTES:
        raise TooLarge(f"A key has at most {MAX_KEY_BYTES} bytes")
    return ClaimableKey(algorithm, key_id, encoded)


def signatures_of(signed: JsonObject) -> dict[str, dict[str, str]]:
    """The signatures of an object, by user and key ID. Raises BadJson when they are malformed."""
    signatures = signed.get("signatures", {})
    if not isinstance(signatures, dict):
        raise BadJson("`signatures` must be an object")
    for by_key in signatures.values():
        if not isinstance(by_key, dict) or not all(isinstance(s, str) for s in by_key.values()):
            raise BadJson("`signatures` must hold objects of strings")
    return signatures


def signs_the_same(one: JsonObject, other: JsonObject) -> bool:
    """Whether two objects are equal apart from their signatures."""
    return _signed_part(one) == _signed_part(other)


def with_signatures(signed: JsonObject, signatures: Mapping[str, Mapping[str, str]]) -> JsonObject:
    """A copy of an object with signatures added to those it has."""
    merged = {user_id: dict(by_key) for user_id, by_key in signatures_of(signed).items()}
    for user_id, by_key in signatures.items():
        merged.setdefault(user_id, {}).update(by_key)
    return {**signed, "signatures": merged}


def updated_device_keys(stored: JsonObject | None, uploaded: JsonObject) -> JsonObject:
    """What to store after an upload: the same keys keep the signatures they have got since."""
    if stored is None or not signs_the_same(stored, uploaded):
        return uploaded
    return with_signatures(stored, signatures_of(uploaded))


def _signed_part(signed: JsonObject) -> JsonObject:
    return {name: value for name, value in signed.items() if name not in _NOT_SIGNED}
