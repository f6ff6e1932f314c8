"""Which servers are in rooms, without loading the rooms."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from homeserver.domain.identifiers import RoomId, ServerName


class ServersInRooms(Protocol):
    """Knows of which servers users are in rooms."""

    async def joined(self, server: ServerName, room_ids: Collection[RoomId]) -> set[RoomId]:
        """Those of some rooms that users of a server are in, in one query."""
        ...

    async def invited(self, server: ServerName, room_ids: Collection[RoomId]) -> set[RoomId]:
        """Those of some rooms that users of a server are invited to, in one query."""
        ...
