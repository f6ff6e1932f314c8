"""Events as other servers get them, read in bulk and kept nowhere."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import Standing


@attrs.frozen(slots=True)
class StoredPdu:
    """An event as it was stored: ``pdu`` is its canonical JSON, as it was signed."""

    nid: int
    event_id: EventId
    room_nid: int
    standing: Standing
    pdu: bytes


class StoredPdus(Protocol):
    """Reads many events at once, past the cache: they are passed on and needed no more."""

    async def by_nid(self, nids: Collection[int]) -> list[StoredPdu]:
        """The events that exist among these, in no particular order."""
        ...

    async def by_id(self, event_ids: Collection[EventId]) -> list[StoredPdu]:
        """The events that exist among these, in no particular order."""
        ...
