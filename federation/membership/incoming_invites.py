"""Invites that other servers send to users of this one.

Server-server API, "Inviting to a room".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from federation.inbound.event_checks import EventChecks
from federation.membership.handshake import UNSTATED, Pen
from federation.membership.resident_rooms import require_not_denied, require_user_of
from federation.membership.room_description import Descriptions
from federation.membership.submissions import Submission, intact, read_member_event
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import (
    Forbidden,
    IncompatibleRoomVersion,
    InviteBlocked,
    MissingParam,
    NotFound,
)
from homeserver.domain.event_signatures import sign_event
from homeserver.domain.identifiers import RoomId, ServerName, UserId
from homeserver.domain.membership import Membership
from homeserver.domain.room_versions import ROOM_VERSIONS, EventFormat, RoomVersion
from homeserver.ports.personal.invite_permissions import InvitePermissions
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.out_of_band import OutOfBandMemberships, Told
from homeserver.services.turns import Turns


class LocalUsers(Protocol):
    """The users of this server."""

    async def is_active(self, user_id: UserId) -> bool:
        """Whether there is such a user, who can be invited."""
        ...


@attrs.frozen
class Guestbook:
    """Who can be invited and how that is kept. ``spend`` raises LimitExceeded for a user who is
    invited too often."""

    users: LocalUsers
    permissions: InvitePermissions
    spend: Callable[[UserId], None]
    out_of_band: OutOfBandMemberships
    turns: Turns


class IncomingInvites:
    """Takes invites, signs them, and shows them to those who are invited."""

    def __init__(
        self,
        directory: RoomDirectory,
        checks: EventChecks,
        descriptions: Descriptions,
        guests: Guestbook,
        pen: Pen,
    ) -> None:
        self._directory = directory
        self._checks = checks
        self._descriptions = descriptions
        self._guests = guests
        self._pen = pen

    async def receive(
        self, submission: Submission, version_name: str, described: Any
    ) -> JsonObject:
        """The invite with this server's signature. ``described`` is the state that describes the
        room.

        Raises IncompatibleRoomVersion, InvalidParam, MissingParam, Forbidden, InviteBlocked and
        LimitExceeded.
        """
        version = ROOM_VERSIONS.get(version_name)
        if version is None:
            raise IncompatibleRoomVersion(
                f"This server does not support room version {version_name}",
                room_version=version_name,
            )
        origin, room_id = submission.origin, submission.room_id
        invite = read_member_event(
            submission.pdu, version, room_id, submission.event_id, Membership.INVITE
        )
        require_user_of(origin, invite.sender, "sender")
        user_id = require_user_of(self._pen.server_name, invite.state_key or "", "state key")
        invite = await intact(self._checks, invite)
        stripped = await self._stripped(described, room_id, version)
        await self._require_welcome(user_id)
        signed = sign_event(invite, self._pen.server_name, self._pen.signing_key)
        if not await self._is_resident(origin, room_id):
            async with self._guests.turns.of(room_id):
                await self._guests.out_of_band.record(signed, Told(stripped, [origin]))
        return {**submission.pdu, "signatures": signed.pdu_object()["signatures"]}

    async def _stripped(
        self, described: Any, room_id: RoomId, version: RoomVersion
    ) -> list[JsonObject]:
        # A room whose ID is the hash of its create event can be told from others by that event.
        strictly = version.room_id_is_create_hash
        if strictly and not described:
            raise MissingParam("invite_room_state is missing")
        return await self._descriptions.stripped(described, room_id, version, strictly=strictly)

    async def _require_welcome(self, user_id: UserId) -> None:
        if not await self._guests.users.is_active(user_id):
            raise Forbidden("There is no such user on this server")
        self._guests.spend(user_id)
        for _ in await self._guests.permissions.blocking([user_id]):
            raise InviteBlocked()

    async def _is_resident(self, origin: ServerName, room_id: RoomId) -> bool:
        """Whether this server is in the room, and so gets the invite like any event of it."""
        try:
            actor = await self._directory.by_id(room_id)
        except NotFound:
            return False
        if self._pen.server_name not in actor.view.joined_servers:
            return False
        require_not_denied(actor.view, origin)
        return True


def version_told_by(described: Any) -> str:
    """The version of a room that the first form of an invite is for: one of the two oldest, as
    only these can be told without their name."""
    for entry in described if isinstance(described, list) else []:
        match entry:
            case {"type": "m.room.create", "content": {"room_version": str(name)}}:
                version = ROOM_VERSIONS.get(name)
                if version is None or version.event_format is not EventFormat.V1:
                    raise IncompatibleRoomVersion(
                        "Invites to this room must name its version", room_version=name
                    )
                return name
    return UNSTATED
