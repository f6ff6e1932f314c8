"""What may still come for rooms that this server is not in."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId, ServerName


class ClosedDoors(Protocol):
    """Takes in what ends the invites and knocks of this server's users."""

    async def take(self, origin: ServerName, room_id: RoomId, pdu: JsonObject) -> bool:
        """Whether an event that ``origin`` sent was of use."""
        ...


class NothingThere:
    """See :class:`ClosedDoors`. For a server whose users were never invited from elsewhere."""

    async def take(self, origin: ServerName, room_id: RoomId, pdu: JsonObject) -> bool:
        return False
