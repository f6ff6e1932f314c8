"""Whether a server may ask about a room.

Server-server API, "Server Access Control Lists (ACLs)", and the errors of the operations that are
about rooms.
"""

from __future__ import annotations

from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import RoomId, ServerName
from homeserver.domain.server_acl import is_server_allowed
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView

_ACL = ("m.room.server_acl", "")


class RoomGate:
    """Lets those servers in whose users are in a room."""

    def __init__(self, directory: RoomDirectory) -> None:
        self._directory = directory

    async def admit(self, origin: ServerName, room_id: RoomId) -> RoomView:
        """The room that a server asks about.

        Raises Forbidden when no user of the server is in the room or its ACL denies the server,
        and for an unknown room: whether it exists is nobody's business who is not in it.
        """
        try:
            room = (await self._directory.by_id(room_id)).view
        except NotFound:
            raise Forbidden("Your server is not in this room") from None
        check_acl(room, origin)
        if origin not in room.joined_servers:
            raise Forbidden("Your server is not in this room")
        return room


def check_acl(room: RoomView, server: ServerName) -> None:
    """Raises Forbidden for a server that the ACL of a room denies."""
    acl = room.state.get(_ACL)
    if not is_server_allowed(acl.event.content if acl is not None else None, server):
        raise Forbidden("Your server is denied access to this room")
