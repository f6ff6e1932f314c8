"""The ``pos`` of a connection: a place in the log, and which answer it came with.

``s42~7.5.3~mac``: the token ``s42`` of answer 7, when what had been sent was that of answer 5, and
before that of answer 3 (each connection counts its answers). The MAC is made with a secret of the
connection, so a position is worth nothing to anybody else, and none can be made up.
"""

from __future__ import annotations

import hmac
import re
from hashlib import blake2s
from typing import Final

import attrs

from homeserver.domain.errors import InvalidParam, UnknownPos
from homeserver.log.tokens import SyncToken

SECRET_BYTES: Final = 16
_MAC_BYTES: Final = 12
_POS: Final = re.compile(
    r"(s[0-9_]+)~([0-9]{1,15})\.([0-9]{1,15})\.([0-9]{1,15})~([0-9a-f]+)", re.ASCII
)


@attrs.frozen(slots=True)
class Position:
    """Which answer a client has processed last. ``change`` is the last answer up to that one that
    changed what has been sent on the connection, ``parent`` the one that did before."""

    token: SyncToken
    answer: int
    change: int
    parent: int

    def sealed(self, secret: bytes) -> str:
        """The ``pos`` that a client receives."""
        text = f"{self.token}~{self.answer}.{self.change}.{self.parent}"
        return f"{text}~{_mac(text, secret)}"


def opened(pos: str, secret: bytes, shards: int) -> Position:
    """The position of a ``pos``. UnknownPos when it is not of the connection with this secret."""
    match = _POS.fullmatch(pos)
    if match is None or not hmac.compare_digest(match[5], _mac(pos[: match.start(5) - 1], secret)):
        raise UnknownPos()
    try:
        token = SyncToken.parse(match[1], shards)
    except InvalidParam:
        raise UnknownPos() from None
    return Position(token, int(match[2]), int(match[3]), int(match[4]))


def _mac(text: str, secret: bytes) -> str:
    return blake2s(text.encode(), key=secret, digest_size=_MAC_BYTES).hexdigest()
