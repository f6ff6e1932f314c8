"""The rooms that this server is in, as other servers may ask about them."""

from __future__ import annotations

from homeserver.domain.errors import Forbidden, InvalidParam, NotFound
from homeserver.domain.identifiers import RoomId, ServerName, UserId, parse_user_id, server_name_of
from homeserver.domain.server_acl import is_server_allowed
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView

_ACL = ("m.room.server_acl", "")


class ResidentRooms:
    """Finds rooms for other servers."""

    def __init__(self, directory: RoomDirectory, server_name: ServerName) -> None:
        self._directory = directory
        self._server_name = server_name

    async def open_to(self, origin: ServerName, room_id: RoomId) -> RoomActor:
        """A room that this server is in and ``origin`` may take part in. Raises NotFound and
        Forbidden."""
        actor = await self._directory.by_id(room_id)
        if self._server_name not in actor.view.joined_servers:
            raise NotFound("This server is not in the room")
        require_not_denied(actor.view, origin)
        return actor


def require_not_denied(room: RoomView, origin: ServerName) -> None:
    """Raises Forbidden for a server that the room denies by its server ACL."""
    acl = room.state.get(_ACL)
    if not is_server_allowed(acl.event.content if acl is not None else None, origin):
        raise Forbidden("Your server is denied by the access control list of the room")


def user_of(origin: ServerName, user_id: str) -> UserId:
    """A user on whose behalf a server asks. Raises Forbidden when it is one of another."""
    parsed = parse_user_id(user_id)
    if server_name_of(parsed) != origin:
        raise Forbidden("The user is not one of your server")
    return parsed


def require_user_of(origin: ServerName, user_id: str, name: str) -> UserId:
    """As ``user_of``, for a field of an event. Raises InvalidParam."""
    try:
        return user_of(origin, user_id)
    except Forbidden:
        raise InvalidParam(f"The {name} of the event is not a user of {origin}") from None
