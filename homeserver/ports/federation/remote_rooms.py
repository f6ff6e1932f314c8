"""What services ask of other servers about who is in which room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId


class RemoteRooms(Protocol):
    """Changes memberships with the help of servers that are in the rooms.

    ``user_id`` is a user of this server, ``content`` that of the member event, ``via`` names
    servers to ask first. All of them raise UnableToRetrieve when no server gives a usable answer,
    and what the last servers said otherwise, most of all Forbidden and NotFound.
    """

    async def join(
        self, user_id: UserId, room_id: RoomId, content: JsonObject, via: Sequence[ServerName]
    ) -> EventId:
        """Join a room, whose state is here then; the member event.

        Raises IncompatibleRoomVersion, and UnableToAuthoriseJoin and UnableToGrantJoin where no
        server could vouch for the conditions of the join.
        """
        ...

    async def knock(
        self, user_id: UserId, room_id: RoomId, content: JsonObject, via: Sequence[ServerName]
    ) -> EventId:
        """Knock on a room that this server is not in; the member event. Raises
        IncompatibleRoomVersion."""
        ...

    async def leave(self, user_id: UserId, room_id: RoomId, content: JsonObject) -> EventId | None:
        """Reject an invite to a room that this server is not in, or retract a knock; the member
        event, None where there is nothing to leave. When nobody answers, it counts here all the
        same."""
        ...

    async def invite(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> EventId:
        """Invite a user of another server to a room that this one is in; the member event.

        Raises InviteBlocked.
        """
        ...

    async def exchange_third_party_invite(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> None:
        """Have the server of who invited a third-party identifier turn that into an invite of
        ``user_id``, who owns it."""
        ...


class NoRemoteRooms:
    """For a server that knows no others. See :class:`RemoteRooms`."""

    async def join(
        self, user_id: UserId, room_id: RoomId, content: JsonObject, via: Sequence[ServerName]
    ) -> EventId:
        raise NotFound("Unknown room")

    async def knock(
        self, user_id: UserId, room_id: RoomId, content: JsonObject, via: Sequence[ServerName]
    ) -> EventId:
        raise NotFound("Unknown room")

    async def leave(self, user_id: UserId, room_id: RoomId, content: JsonObject) -> EventId | None:
        return None

    async def invite(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> EventId:
        raise Forbidden("This server does not invite users of others")

    async def exchange_third_party_invite(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> None:
        raise NotFound("Unknown room")
