"""Which rooms users are in, and with whom.

Client-server API, "Room membership" and "Mutual Rooms".
"""

from __future__ import annotations

import attrs

from homeserver.domain.errors import Forbidden, InvalidParam
from homeserver.domain.identifiers import (
    RoomId,
    UserId,
    is_compliant_user_id,
    parse_room_id,
    parse_user_id,
)
from homeserver.domain.signing import decode_base64, encode_base64
from homeserver.ports.personal.profiles import Profile
from homeserver.ports.rooms.memberships import MembershipStore
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.rooms.acting_in_rooms import room_to_act_in

MUTUAL_ROOMS_PER_PAGE = 100


@attrs.frozen(slots=True)
class MutualRooms:
    """A page of the rooms that two users share, and how many these are in all."""

    room_ids: list[RoomId]
    total: int
    next_batch: str | None


class UserRooms:
    """Lists rooms of users, and users of rooms."""

    def __init__(self, memberships: MembershipStore, directory: RoomDirectory) -> None:
        self._memberships = memberships
        self._directory = directory

    async def joined(self, user_id: UserId) -> list[RoomId]:
        """The rooms that a user is in."""
        return await self._memberships.joined_rooms(user_id)

    async def members(self, user_id: UserId, room_id: RoomId) -> dict[UserId, Profile]:
        """The joined members of a room that a user is in. Raises Forbidden."""
        actor = await room_to_act_in(self._directory, room_id)
        if not actor.view.is_joined(user_id):
            raise Forbidden("You are not in this room")
        members = await self._directory.store.joined_members(actor.view.nid)
        return {member: Profile(name, avatar) for member, name, avatar in members}

    async def mutual(self, user_id: UserId, other: str, since: str | None) -> MutualRooms:
        """The rooms that a user shares with another. Raises InvalidParam."""
        other_id = parse_user_id(other)
        if other_id == user_id or not is_compliant_user_id(other_id):
            raise InvalidParam("The user ID must be that of another user")
        shared = await self._memberships.shared_rooms(
            user_id,
            other_id,
            after=_room_of(since) if since is not None else None,
            limit=MUTUAL_ROOMS_PER_PAGE + 1,
        )
        page = shared.room_ids[:MUTUAL_ROOMS_PER_PAGE]
        more = len(shared.room_ids) > MUTUAL_ROOMS_PER_PAGE
        return MutualRooms(page, shared.total, _token(page[-1]) if more else None)


def _token(room_id: RoomId) -> str:
    return encode_base64(room_id.encode(), urlsafe=True)


def _room_of(token: str) -> RoomId:
    try:
        return parse_room_id(decode_base64(token, urlsafe=True).decode())
    except ValueError:
        raise InvalidParam("Unknown pagination token") from None
