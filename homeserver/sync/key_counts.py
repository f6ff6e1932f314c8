"""How many keys a device that syncs has left, so that it uploads more in time.

Client-server API, "End-to-End Encryption", extensions to /sync. Every answer tells; the figures are
read when they have changed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.encryption.key_counts import KeyCountStore, KeysLeft

# Clients take its absence for ignorance.
_ALWAYS_TOLD: Final = "signed_curve25519"

_encode = msgspec.json.Encoder().encode


class KeyCounts:
    """The figures of one device. Positions are those of the shard of its user."""

    def __init__(self, store: KeyCountStore, address: tuple[UserId, DeviceId]) -> None:
        self._store = store
        self._address = address
        self._position = 0
        self._changes = 0
        self._members: list[bytes] | None = None

    @property
    def known(self) -> list[bytes]:
        """The JSON members, as far as they are in memory: all of them after :meth:`members`."""
        return self._members or []

    def changed(self, position: int) -> None:
        """Keys were uploaded or claimed."""
        self._position = position
        self._changes += 1
        self._members = None

    def has_news(self, since: int) -> bool:
        """Whether the figures may be others than when an answer with this token told them."""
        return self._members is None or self._position > since

    async def members(self) -> list[bytes]:
        """The JSON members of an answer."""
        members = self._members
        while members is None:
            changes = self._changes
            found = _members(await self._store.keys_left(*self._address))
            if changes == self._changes:
                members = self._members = found
        return members


def _members(left: KeysLeft) -> list[bytes]:
    counts = {_ALWAYS_TOLD: 0, **left.one_time}
    return [
        b'"device_one_time_keys_count":' + _encode(counts),
        b'"device_unused_fallback_key_types":' + _encode(left.unused_fallback),
    ]
