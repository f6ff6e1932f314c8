"""Inviting users of this server and of others.

Client-server API, "Room membership"; server-server API, "Inviting to a room".
"""

from __future__ import annotations

from collections.abc import Collection

from homeserver.domain.errors import InviteBlocked
from homeserver.domain.identifiers import EventId, ServerName, UserId, server_name_of
from homeserver.domain.membership import Membership
from homeserver.ports.federation.remote_rooms import RemoteRooms
from homeserver.ports.personal.invite_permissions import InvitePermissions
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.services.rooms.acting_in_rooms import set_state


class Invitations:
    """Sends invites. The servers of those who are invited must agree."""

    def __init__(
        self, permissions: InvitePermissions, remote: RemoteRooms, server_name: ServerName
    ) -> None:
        self._permissions = permissions
        self._remote = remote
        self._server_name = server_name

    def is_for_here(self, user_id: UserId) -> bool:
        """Whether a user is one of this server."""
        return server_name_of(user_id) == self._server_name

    async def require_accepted_by(self, user_ids: Collection[UserId]) -> None:
        """Raises InviteBlocked when a user of this server among these wants no invites."""
        local = [user_id for user_id in user_ids if self.is_for_here(user_id)]
        for user_id in await self._permissions.blocking(local):
            raise InviteBlocked(f"{user_id} does not accept invites")

    async def send(self, actor: RoomActor, invite: NewEvent) -> EventId:
        """Invite a user by a member event.

        Raises as ``RoomActor.append``, InviteBlocked, and UnableToRetrieve when the user's server
        cannot be asked.
        """
        user_id = UserId(invite.state_key or "")
        # Who is in the room or banned from it is so here, too: nobody else need be asked.
        if self.is_for_here(user_id) or actor.head_membership(user_id) in _ANSWERED:
            await self.require_accepted_by([user_id])
            return await set_state(actor, invite)
        return await self._remote.invite(invite.sender, actor.view.room_id, user_id, invite.content)


_ANSWERED = (Membership.JOIN, Membership.BAN)
