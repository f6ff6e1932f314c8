"""The keys of this server, as it publishes them.

Server-server API, "Publishing Keys".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey, sign_json
from homeserver.ports.clock import Clock

VALIDITY_MS: Final = 24 * 3600 * 1000
"""How long others may rely on what is published, until they ask again."""


@attrs.frozen
class RetiredKey:
    """A key that signed once and does no longer, so that what it signed can still be checked.

    ``verify_key`` is the public key in unpadded Base64, ``expired_ms`` when it was used last.
    """

    key_id: str
    verify_key: str
    expired_ms: int


class OwnKeys:
    """What this server signs with, and the document in which it says so.

    The first of ``current`` signs; all of them are published, and sign the document.
    """

    def __init__(
        self,
        server: ServerName,
        current: Sequence[SigningKey],
        retired: Sequence[RetiredKey],
        clock: Clock,
    ) -> None:
        self.server = server
        self._current = tuple(current)
        self._retired = tuple(retired)
        self._clock = clock
        self._document = b""
        self._renew_ms = 0

    def sign(self, obj: JsonObject) -> JsonObject:
        """A copy of ``obj`` with our signature. Raises BadJson for what is not JSON."""
        return sign_json(obj, self.server, self._current[0])

    def verify_key(self, key_id: str, valid_at_ms: int) -> str | None:
        """The public key for what was signed at some time, or None."""
        for key in self._current:
            if key.key_id == key_id:
                return key.verify_key_base64
        for old in self._retired:
            if old.key_id == key_id and valid_at_ms <= old.expired_ms:
                return old.verify_key
        return None

    def document(self) -> bytes:
        """The signed JSON of all keys. It is made anew when half of its validity has passed."""
        now_ms = self._clock.now_ms()
        if now_ms >= self._renew_ms:
            self._document = encode_canonical_json(self._signed(now_ms + VALIDITY_MS))
            self._renew_ms = now_ms + VALIDITY_MS // 2
        return self._document

    def _signed(self, valid_until_ms: int) -> JsonObject:
        document: JsonObject = {
            "server_name": self.server,
            "verify_keys": {key.key_id: {"key": key.verify_key_base64} for key in self._current},
            "old_verify_keys": {
                key.key_id: {"key": key.verify_key, "expired_ts": key.expired_ms}
                for key in self._retired
            },
            "valid_until_ts": valid_until_ms,
        }
        for key in self._current:
            document = sign_json(document, self.server, key)
        return document
