"""What sync asks of storage about the keys that a device has left to be claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import DeviceId, UserId


@attrs.frozen(slots=True)
class KeysLeft:
    """Of a device: the number of its one-time keys by algorithm, and the algorithms of its fallback
    keys that were not used yet."""

    one_time: Mapping[str, int]
    unused_fallback: Sequence[str]


class KeyCountStore(Protocol):
    """Counts keys."""

    async def keys_left(self, user_id: UserId, device_id: DeviceId) -> KeysLeft:
        """What a device has left."""
        ...
