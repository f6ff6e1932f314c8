"""What the floors above ask of storage about the connections of sliding sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import attrs

from homeserver.domain.identifiers import UserId


class ConnectionKey(NamedTuple):
    """What names a connection; ``device_id`` is empty for clients without a device."""

    user_id: UserId
    device_id: str
    conn_id: str


@attrs.frozen(slots=True)
class SavedConnection:
    """A connection as it is stored: what it has been sent, and when it was last used."""

    key: ConnectionKey
    secret: bytes
    state: bytes
    used_ms: int


class SlidingConnectionStore(Protocol):
    """Connections that outlive the process."""

    async def load(self, key: ConnectionKey) -> SavedConnection | None:
        """One connection."""
        ...

    async def save(self, connections: Sequence[SavedConnection], most_of_a_device: int) -> None:
        """Store connections in place of what they were; of each device only those are kept that
        were used last."""
        ...

    async def delete_unused(self, since_ms: int) -> None:
        """Forget the connections that were not used since a time."""
        ...
