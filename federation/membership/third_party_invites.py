"""Invites of third-party identifiers, once these belong to a user.

Server-server API, "Third-party invites".
"""

from __future__ import annotations

from typing import Any, Final

import structlog

from federation.membership.handshake import MEMBER
from federation.membership.outgoing_invites import OutgoingInvites
from federation.membership.resident_rooms import ResidentRooms, require_user_of
from homeserver.domain.auth_events import third_party_invite_token
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden, InvalidParam, MatrixError, NotFound
from homeserver.domain.identifiers import (
    RoomId,
    ServerName,
    UserId,
    parse_room_id,
    parse_user_id,
    server_name_of,
)
from homeserver.domain.membership import Membership, parse_membership
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory

MOST_INVITES: Final = 20
"""How many invites one notice of an identity server may be about."""

log = structlog.get_logger(__name__)


class ThirdPartyInvites:
    """Turns invites of third-party identifiers into invites of users."""

    def __init__(
        self,
        rooms: ResidentRooms,
        directory: RoomDirectory,
        invites: OutgoingInvites,
        server_name: ServerName,
    ) -> None:
        self._rooms = rooms
        self._directory = directory
        self._invites = invites
        self._server_name = server_name

    async def exchange(self, origin: ServerName, room_id: RoomId, partial: JsonObject) -> None:
        """Invite a user of ``origin`` in the name of a user of this server, who had invited an
        identifier of theirs.

        Raises NotFound, InvalidParam, and Forbidden when the identity server did not sign that.
        """
        actor = await self._rooms.open_to(origin, room_id)
        sender, user_id, content = self._read(origin, room_id, partial)
        token = third_party_invite_token(content)
        invite = actor.view.state.get(("m.room.third_party_invite", token or ""))
        if invite is None:
            raise Forbidden("The room has no third-party invite with this token")
        await self._invites.invite(
            sender, room_id, user_id, _content(invite.event.content, content)
        )

    def _read(
        self, origin: ServerName, room_id: RoomId, partial: JsonObject
    ) -> tuple[UserId, UserId, JsonObject]:
        match partial:
            case {
                "type": str(type),
                "room_id": str(room),
                "sender": str(sender),
                "state_key": str(state_key),
                "content": {"third_party_invite": {"signed": dict()}},
            }:
                content: JsonObject = partial["content"]
            case _:
                raise InvalidParam("The event is not a third-party invite")
        if type != MEMBER or parse_membership(content) is not Membership.INVITE:
            raise InvalidParam("The event is not an invite")
        if room != room_id:
            raise InvalidParam("The event is of another room")
        inviter = require_user_of(self._server_name, sender, "sender")
        return inviter, require_user_of(origin, state_key, "state key"), content

    async def bound(self, user_id: str, invites: list[Any]) -> None:
        """An identity server says that an identifier with invites belongs to a user now.

        What it claims is proved by the signature in each invite, where the room is.
        """
        user = require_user_of(self._server_name, user_id, "mxid")
        for invite in invites[:MOST_INVITES]:
            match invite:
                case {"mxid": str(mxid), "room_id": str(room), "sender": str(sender)} if (
                    mxid == user and isinstance(invite.get("signed"), dict)
                ):
                    try:
                        await self._accept(
                            user, parse_room_id(room), parse_user_id(sender), invite["signed"]
                        )
                    except MatrixError as error:
                        log.info("third_party_invite_failed", room_id=room, error=error.message)
                case _:
                    log.info("third_party_invite_malformed", user_id=user)

    async def _accept(
        self, user: UserId, room_id: RoomId, sender: UserId, signed: JsonObject
    ) -> None:
        content: JsonObject = {
            "membership": Membership.INVITE.value,
            "third_party_invite": {"display_name": "", "signed": signed},
        }
        actor = await self._resident(room_id)
        if actor is None or server_name_of(sender) != self._server_name:
            await self._invites.exchange(sender, room_id, user, content)
            return
        token = third_party_invite_token(content)
        invite = actor.view.state.get(("m.room.third_party_invite", token or ""))
        if invite is None:
            raise Forbidden("The room has no third-party invite with this token")
        await actor.append(NewEvent(MEMBER, sender, _content(invite.event.content, content), user))

    async def _resident(self, room_id: RoomId) -> RoomActor | None:
        try:
            actor = await self._directory.by_id(room_id)
        except NotFound:
            return None
        return actor if actor.is_resident else None


def _content(invite: JsonObject, content: JsonObject) -> JsonObject:
    """The content of the member event: with the name that the identity server gave."""
    name = invite.get("display_name")
    signed = content["third_party_invite"]["signed"]
    return {
        "membership": Membership.INVITE.value,
        "third_party_invite": {
            "display_name": name if isinstance(name, str) else "",
            "signed": signed,
        },
    }
