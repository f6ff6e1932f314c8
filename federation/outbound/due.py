"""What a destination is to be sent, by reference: the things themselves are shared or stored."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from homeserver.ports.federation.outbound import DeviceChange, SigningKeyChange
from homeserver.ports.rooms.events import StoredEvent


@attrs.frozen(slots=True)
class DueEvent:
    """An event. Destinations that keep up share the ``stored`` one; for others it is read."""

    shard: int
    position: int
    nid: int
    stored: StoredEvent | None = None


Due: TypeAlias = DueEvent | DeviceChange | SigningKeyChange
"""What must arrive, each at its place in the log."""
