"""Identifiers of user-interactive sessions, which say themselves what they are good for.

Client-server API, "User-interactive API in the REST API". An identifier holds the time it was
made, a random part, and a MAC over both and over the operation the session was begun for. So a
session takes no storage until a stage of several is completed, it survives a restart, and it is
worth nothing to any other request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import UserId

_TIME_DIGITS: Final = 12
_RANDOM_BYTES: Final = 8
_HEAD_DIGITS: Final = _TIME_DIGITS + 2 * _RANDOM_BYTES
_MAC_DIGITS: Final = 32

_encode = msgspec.json.Encoder(order="sorted").encode


@attrs.frozen(slots=True)
class Operation:
    """A request that wants to be authorised.

    ``body`` is the JSON body, in which ``auth`` is not looked at. ``user_id`` is the user whose
    access token came with it, if one did.
    """

    method: str
    path: str
    body: JsonObject
    user_id: UserId | None

    def binding(self) -> bytes:
        """What is the same in every request of one session."""
        body = {name: value for name, value in self.body.items() if name != "auth"}
        return _encode([self.method, self.path, self.user_id, body])


@attrs.frozen(slots=True)
class UiaSession:
    """A session that has not expired."""

    id: str
    expires_ts: int


class UiaSessionIds:
    """Makes and checks identifiers. ``secret`` is at least 32 bytes that every worker knows."""

    def __init__(self, secret: bytes, lifetime_ms: int = 900_000) -> None:
        self._secret = secret
        self._lifetime_ms = lifetime_ms

    def begin(self, operation: Operation, now_ms: int) -> UiaSession:
        """A new session for an operation."""
        head = f"{now_ms:0{_TIME_DIGITS}x}{secrets.token_hex(_RANDOM_BYTES)}"
        return UiaSession(self._signed(head, operation), now_ms + self._lifetime_ms)

    def resume(self, session_id: str, operation: Operation, now_ms: int) -> UiaSession | None:
        """The session of an identifier; None when it is not one of ours, was begun for something
        else, or has expired."""
        head = session_id[:_HEAD_DIGITS]
        if not hmac.compare_digest(self._signed(head, operation).encode(), session_id.encode()):
            return None
        expires_ts = int(head[:_TIME_DIGITS], 16) + self._lifetime_ms
        return UiaSession(session_id, expires_ts) if now_ms < expires_ts else None

    def _signed(self, head: str, operation: Operation) -> str:
        message = head.encode() + b"\0" + operation.binding()
        return head + hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:_MAC_DIGITS]
