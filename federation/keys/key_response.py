"""What a server says of its keys, and whether it is to be believed.

Server-server API, "Publishing Keys".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.errors import BadJson, InvalidParam
from homeserver.domain.identifiers import ServerName, is_server_name, parse_key_id
from homeserver.domain.signing import (
    ALGORITHM,
    InvalidSignature,
    decode_base64,
    encode_base64,
    signed_bytes,
    verify_signature,
)

MAX_VALIDITY_MS: Final = 7 * 24 * 3600 * 1000
"""How far into the future a key is believed to be good, whatever its server says."""

MAX_KEYS: Final = 100
"""How many keys, old ones among them, a server may publish."""

MAX_RESPONSE_BYTES: Final = 64 * 1024
"""How large what a server publishes may be."""

_KEY_BYTES: Final = 32


class BadKeyResponse(ValueError):
    """What came is not a server's word about its keys."""


@attrs.frozen(slots=True)
class PublishedKey:
    """A key in unpadded Base64, good for what was signed until ``valid_until_ms``."""

    verify_key: str
    valid_until_ms: int


@attrs.frozen
class KeyResponse:
    """The keys of a server by key ID, and the JSON in which it said so."""

    server: ServerName
    keys: Mapping[str, PublishedKey]
    fetched_ms: int
    valid_until_ms: int
    response: bytes

    @property
    def response_hash(self) -> str:
        """Tells apart the responses of a server."""
        return encode_base64(hashlib.sha256(self.response).digest())


class _VerifyKey(msgspec.Struct):
    key: str


class _OldVerifyKey(msgspec.Struct):
    key: str
    expired_ts: int


class _Content(msgspec.Struct):
    server_name: str
    verify_keys: dict[str, _VerifyKey]
    valid_until_ts: int
    signatures: dict[str, dict[str, str]]
    old_verify_keys: dict[str, _OldVerifyKey] = {}


def read_key_response(content: JsonObject, now_ms: int) -> KeyResponse:
    """Read what a server published, be it from the server or through a notary.

    It must be signed by one of the ``verify_keys``, and by none of them wrongly. Keys are good for
    seven days at most, old ones until they expired. Raises BadKeyResponse.
    """
    read = _read(content)
    valid_until_ms = _within(read.valid_until_ts, now_ms + MAX_VALIDITY_MS)
    current = {
        key_id: PublishedKey(key.key, valid_until_ms)
        for key_id, key in read.verify_keys.items()
        if _is_usable(key_id, key.key)
    }
    _check_signatures(content, read, current)
    old = {
        key_id: PublishedKey(key.key, _within(key.expired_ts, now_ms))
        for key_id, key in read.old_verify_keys.items()
        if _is_usable(key_id, key.key)
    }
    encoded = encode_lenient_json(content)
    if len(encoded) > MAX_RESPONSE_BYTES:
        raise BadKeyResponse("The response is too large")
    return KeyResponse(
        ServerName(read.server_name), {**old, **current}, now_ms, valid_until_ms, encoded
    )


def _read(content: JsonObject) -> _Content:
    try:
        read = msgspec.convert(content, _Content)
    except msgspec.ValidationError as error:
        raise BadKeyResponse(str(error)) from error
    if not is_server_name(read.server_name):
        raise BadKeyResponse("The response is not of a server")
    if len(read.verify_keys) + len(read.old_verify_keys) > MAX_KEYS:
        raise BadKeyResponse("There are too many keys")
    return read


def _within(time_ms: int, limit_ms: int) -> int:
    """A time that somebody named, between 1970 and a limit."""
    return max(0, min(time_ms, limit_ms))


def is_understood(key_id: str) -> bool:
    """Whether a key with this ID can be used: others are passed over."""
    try:
        algorithm, _ = parse_key_id(key_id)
    except InvalidParam:
        return False
    return algorithm == ALGORITHM


def _is_usable(key_id: str, key: str) -> bool:
    try:
        return is_understood(key_id) and len(decode_base64(key)) == _KEY_BYTES
    except ValueError:
        return False


def _check_signatures(
    content: JsonObject, read: _Content, current: Mapping[str, PublishedKey]
) -> None:
    signatures = read.signatures.get(read.server_name, {})
    signing = [key_id for key_id in current if key_id in signatures]
    if not signing:
        raise BadKeyResponse("None of the keys has signed the response")
    try:
        message = signed_bytes(content)
        for key_id in signing:
            verify_signature(message, signatures[key_id], current[key_id].verify_key)
    except (BadJson, InvalidSignature) as error:
        raise BadKeyResponse("The response is not signed by its keys") from error
