"""Joining, leaving and knocking on rooms, whether this server is in them or not.

Client-server API, "Room membership"; server-server API, "Joining Rooms", "Knocking upon a room" and
"Leaving Rooms". A room that this server is not in is entered with the help of one that is.
"""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import (
    Forbidden,
    GuestAccessForbidden,
    NotFound,
    UnableToAuthoriseJoin,
    UnableToGrantJoin,
)
from homeserver.domain.identifiers import RoomId, ServerName, UserId, server_name_of
from homeserver.domain.membership import Membership
from homeserver.domain.requester import Requester
from homeserver.ports.federation.remote_rooms import RemoteRooms
from homeserver.ports.personal.profiles import Profiles
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.rooms.membership import (
    Memberships,
    ThirdPartyProof,
    member_content,
    third_party_invite,
)
from homeserver.services.turns import Turns


class Entrances:
    """The ways into rooms and out of them."""

    def __init__(
        self,
        directory: RoomDirectory,
        memberships: Memberships,
        remote: RemoteRooms,
        profiles: Profiles,
    ) -> None:
        self._directory = directory
        self._memberships = memberships
        self._remote = remote
        self._profiles = profiles
        self._turns = Turns()

    async def join(
        self,
        requester: Requester,
        room_id: RoomId,
        via: Sequence[ServerName] = (),
        *,
        reason: str | None = None,
        proof: ThirdPartyProof | None = None,
    ) -> None:
        """Join a room, with the help of the servers ``via`` if need be.

        Raises as :meth:`Memberships.join` and :meth:`RemoteRooms.join`.
        """
        require_not_suspended(requester)
        # Whoever joins while a room is being brought in finds it there afterwards.
        async with self._turns.of(room_id):
            actor = await self._resident(room_id)
            if actor is None:
                await self._join_elsewhere(requester, room_id, via, reason, proof)
                return
        try:
            await self._memberships.join(requester, room_id, reason=reason, proof=proof)
        except (UnableToAuthoriseJoin, UnableToGrantJoin) as error:
            here = server_name_of(requester.user_id)
            others = [server for server in actor.view.joined_servers if server != here]
            if not others:
                raise Forbidden(error.message) from None
            await self._join_remotely(requester, room_id, others, reason)

    async def knock(
        self,
        requester: Requester,
        room_id: RoomId,
        via: Sequence[ServerName] = (),
        *,
        reason: str | None = None,
    ) -> None:
        """Ask to be invited to a room. Raises as :meth:`Memberships.knock` and
        :meth:`RemoteRooms.knock`."""
        require_not_suspended(requester)
        if await self._resident(room_id) is not None:
            await self._memberships.knock(requester, room_id, reason=reason)
            return
        content = await self._content(Membership.KNOCK, requester.user_id, reason)
        await self._remote.knock(requester.user_id, room_id, content, via)

    async def leave(
        self, requester: Requester, room_id: RoomId, *, reason: str | None = None
    ) -> None:
        """Leave a room, reject an invite or retract a knock. Raises Forbidden."""
        if await self._resident(room_id) is None:
            content = member_content(Membership.LEAVE, None, reason)
            if await self._remote.leave(requester.user_id, room_id, content) is not None:
                return
        await self._memberships.leave(requester, room_id, reason=reason)

    async def _resident(self, room_id: RoomId) -> RoomActor | None:
        """The room, if this server is in it."""
        try:
            actor = await self._directory.by_id(room_id)
        except NotFound:
            return None
        return actor if actor.is_resident else None

    async def _join_elsewhere(
        self,
        requester: Requester,
        room_id: RoomId,
        via: Sequence[ServerName],
        reason: str | None,
        proof: ThirdPartyProof | None,
    ) -> None:
        user_id = requester.user_id
        if requester.is_guest:
            raise GuestAccessForbidden("Guests may join only rooms that this server is in")
        if proof is not None:
            content = third_party_invite("", proof)
            await self._remote.exchange_third_party_invite(proof.sender, room_id, user_id, content)
        await self._join_remotely(requester, room_id, via, reason)

    async def _join_remotely(
        self,
        requester: Requester,
        room_id: RoomId,
        via: Sequence[ServerName],
        reason: str | None,
    ) -> None:
        user_id = requester.user_id
        content = await self._content(Membership.JOIN, user_id, reason)
        await self._remote.join(user_id, room_id, content, via)
        actor = await self._directory.by_id(room_id)
        await self._memberships.carry_over_settings(actor, user_id)

    async def _content(
        self, membership: Membership, user_id: UserId, reason: str | None
    ) -> JsonObject:
        return member_content(membership, await self._profiles.of(user_id), reason)
