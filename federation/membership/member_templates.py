"""Templates of member events for servers that are not in a room.

Server-server API, /make_join, /make_leave and /make_knock.
"""

from __future__ import annotations

from collections.abc import Collection

from federation.membership.handshake import MEMBER, VOUCHED
from federation.membership.resident_rooms import ResidentRooms, user_of
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import IncompatibleRoomVersion
from homeserver.domain.identifiers import RoomId, ServerName, UserId
from homeserver.domain.membership import Membership
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.services.rooms.restricted_joins import RestrictedJoins


class MemberTemplates:
    """Writes templates of events that would be allowed now."""

    def __init__(
        self, rooms: ResidentRooms, restricted: RestrictedJoins, server_name: ServerName
    ) -> None:
        self._rooms = rooms
        self._restricted = restricted
        self._server_name = server_name

    async def join(
        self, origin: ServerName, room_id: RoomId, user_id: str, versions: Collection[str]
    ) -> JsonObject:
        """The template of a join, and the version of the room.

        Raises NotFound, Forbidden, IncompatibleRoomVersion unless the version is one of
        ``versions``, UnableToAuthoriseJoin and UnableToGrantJoin.
        """
        user = user_of(origin, user_id)
        actor = await self._rooms.open_to(origin, room_id)
        _require_version(actor, versions)
        content: JsonObject = {"membership": Membership.JOIN.value}
        vouching_user = await self._restricted.vouching_user(actor, user)
        if vouching_user is not None:
            content[VOUCHED] = vouching_user
        return await self._template(actor, user, content)

    async def knock(
        self, origin: ServerName, room_id: RoomId, user_id: str, versions: Collection[str]
    ) -> JsonObject:
        """The template of a knock. Raises NotFound, Forbidden and IncompatibleRoomVersion."""
        user = user_of(origin, user_id)
        actor = await self._rooms.open_to(origin, room_id)
        _require_version(actor, versions)
        return await self._template(actor, user, {"membership": Membership.KNOCK.value})

    async def leave(self, origin: ServerName, room_id: RoomId, user_id: str) -> JsonObject:
        """The template of a leave. Raises NotFound and Forbidden."""
        user = user_of(origin, user_id)
        actor = await self._rooms.open_to(origin, room_id)
        return await self._template(actor, user, {"membership": Membership.LEAVE.value})

    async def _template(self, actor: RoomActor, user: UserId, content: JsonObject) -> JsonObject:
        new = NewEvent(MEMBER, user, content, user)
        await actor.prepare([new])
        event = actor.propose(new).pdu_object()
        for added in ("event_id", "hashes", "signatures"):
            event.pop(added, None)
        event["origin"] = self._server_name
        return {"event": event, "room_version": actor.view.version.identifier}


def _require_version(actor: RoomActor, versions: Collection[str]) -> None:
    version = actor.view.version.identifier
    if version not in versions:
        raise IncompatibleRoomVersion(
            f"Your server does not support room version {version}", room_version=version
        )
