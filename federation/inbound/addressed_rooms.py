"""The rooms that a transaction speaks of, and whether its server may.

Server-server API, "Server Access Control Lists (ACLs)".
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

from federation.inbound.outcomes import Outcome
from federation.inbound.room_servers import RoomServers
from homeserver.domain.identifiers import RoomId, ServerName
from homeserver.domain.room_versions import RoomVersion
from homeserver.domain.server_acl import is_server_allowed
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView

ACL = ("m.room.server_acl", "")


@attrs.frozen
class ClosedRoom:
    """Why nothing is taken in for a room; ``version`` is None where it is not known."""

    outcome: Outcome
    reason: str
    version: RoomVersion | None = None


UNKNOWN = ClosedRoom(Outcome.UNKNOWN_ROOM, "This server is not in the room")


class AddressedRooms:
    """Finds rooms on behalf of other servers."""

    def __init__(self, directory: RoomDirectory, servers: RoomServers) -> None:
        self._directory = directory
        self._servers = servers

    async def of(
        self, origin: ServerName, room_ids: Collection[RoomId]
    ) -> dict[RoomId, RoomView | ClosedRoom]:
        """Each room, or why ``origin`` may not send events to it."""
        rows = await self._directory.store.find(list(room_ids)) if room_ids else []
        actors = await self._directory.load(row.room_nid for row in rows)
        found: dict[RoomId, RoomView | ClosedRoom] = dict.fromkeys(room_ids, UNKNOWN)
        for row in rows:
            room = actors[row.room_nid].view
            if self._servers.has_local_users(room):
                found[row.room_id] = room if allows(room, origin) else _denied(room)
        return found


def allows(room: RoomView, origin: ServerName) -> bool:
    """Whether the access control list of a room lets a server take part."""
    event = room.state.get(ACL)
    return is_server_allowed(event.event.content if event is not None else None, origin)


def _denied(room: RoomView) -> ClosedRoom:
    return ClosedRoom(Outcome.DENIED, "The room does not allow your server", room.version)
