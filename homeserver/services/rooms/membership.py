"""Joining and leaving rooms, and letting others in and out.

Client-server API, "Room membership". The authorisation rules decide what is allowed; what is here
is what they leave open: who vouches for a join, what a guest may, and what is no change at all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import (
    BadJson,
    Forbidden,
    GuestAccessForbidden,
    NotFound,
)
from homeserver.domain.identifiers import EventId, RoomId, UserId, server_name_of
from homeserver.domain.membership import Membership, parse_membership
from homeserver.domain.requester import Requester
from homeserver.domain.room_summary import guests_may_join
from homeserver.ports.personal.personal_settings import PersonalSettings
from homeserver.ports.personal.profiles import Profile, Profiles
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import MEMBER
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.rooms.acting_in_rooms import room_to_act_in, set_state
from homeserver.services.rooms.invitations import Invitations
from homeserver.services.rooms.restricted_joins import RestrictedJoins

GUEST_ACCESS = ("m.room.guest_access", "")
_VOUCHED = "join_authorised_via_users_server"


@attrs.frozen(slots=True)
class ThirdPartyProof:
    """That a user owns a third-party identifier that was invited: ``third_party_signed``.

    ``signed`` is the whole of it, as the identity server signed it; ``sender`` sent the invite.
    """

    sender: UserId
    token: str
    signed: JsonObject


class Memberships:
    """Changes what users are to rooms that this server is in.

    :class:`homeserver.services.rooms.entrances.Entrances` is for those that it may not be in.
    """

    def __init__(
        self,
        directory: RoomDirectory,
        profiles: Profiles,
        restricted: RestrictedJoins,
        invitations: Invitations,
        settings: PersonalSettings,
    ) -> None:
        self._directory = directory
        self._profiles = profiles
        self._restricted = restricted
        self._invitations = invitations
        self._settings = settings

    async def join(
        self,
        requester: Requester,
        room_id: RoomId,
        *,
        reason: str | None = None,
        proof: ThirdPartyProof | None = None,
    ) -> None:
        """Join a room; nothing happens to who is in it.

        Raises NotFound and Forbidden; UnableToAuthoriseJoin and UnableToGrantJoin where only
        another server could let the user in.
        """
        require_not_suspended(requester)
        actor = await self._directory.by_id(room_id)
        user_id = requester.user_id
        if actor.head_membership(user_id) == Membership.JOIN:
            await actor.settled()
            return
        if proof is not None:
            await self._accept_third_party_invite(actor, user_id, proof)
        content = member_content(Membership.JOIN, await self._profiles.of(user_id), reason)
        await self._join(requester, actor, content)

    async def leave(
        self, requester: Requester, room_id: RoomId, *, reason: str | None = None
    ) -> None:
        """Leave a room, reject an invite or retract a knock. Raises Forbidden."""
        actor = await room_to_act_in(self._directory, room_id)
        user_id = requester.user_id
        known = actor.view.members.get(user_id)
        if (
            known is not None
            and known.membership == Membership.LEAVE
            and actor.head_membership(user_id) == Membership.LEAVE
        ):
            return
        await self._set(actor, user_id, user_id, member_content(Membership.LEAVE, None, reason))

    async def invite(
        self,
        requester: Requester,
        room_id: RoomId,
        user_id: UserId,
        *,
        reason: str | None = None,
        is_direct: bool = False,
    ) -> None:
        """Invite a user. Raises Forbidden, InviteBlocked when they want no invites, and
        UnableToRetrieve when their server cannot be asked."""
        require_not_suspended(requester)
        actor = await room_to_act_in(self._directory, room_id)
        is_local = self._invitations.is_for_here(user_id)
        profile = await self._profiles.of(user_id) if is_local else None
        content = member_content(Membership.INVITE, profile, reason)
        if is_direct:
            content["is_direct"] = True
        await self._invite(actor, requester.user_id, user_id, content)

    async def kick(
        self, requester: Requester, room_id: RoomId, user_id: UserId, *, reason: str | None = None
    ) -> None:
        """Make a user leave, withdraw their invite or deny their knock. Raises Forbidden."""
        actor = await room_to_act_in(self._directory, room_id)
        if actor.head_membership(user_id) not in (
            Membership.JOIN,
            Membership.INVITE,
            Membership.KNOCK,
        ):
            raise Forbidden(f"{user_id} is not in the room")
        await self._set(
            actor, requester.user_id, user_id, member_content(Membership.LEAVE, None, reason)
        )

    async def ban(
        self, requester: Requester, room_id: RoomId, user_id: UserId, *, reason: str | None = None
    ) -> None:
        """Make a user leave, and keep them out. Raises Forbidden."""
        actor = await room_to_act_in(self._directory, room_id)
        await self._set(
            actor, requester.user_id, user_id, member_content(Membership.BAN, None, reason)
        )

    async def unban(
        self, requester: Requester, room_id: RoomId, user_id: UserId, *, reason: str | None = None
    ) -> None:
        """Let a banned user come back. Raises Forbidden."""
        actor = await room_to_act_in(self._directory, room_id)
        if actor.head_membership(user_id) != Membership.BAN:
            raise Forbidden(f"{user_id} is not banned from the room")
        await self._set(
            actor, requester.user_id, user_id, member_content(Membership.LEAVE, None, reason)
        )

    async def knock(
        self, requester: Requester, room_id: RoomId, *, reason: str | None = None
    ) -> None:
        """Ask to be invited to a room. Raises NotFound and Forbidden."""
        require_not_suspended(requester)
        actor = await self._directory.by_id(room_id)
        user_id = requester.user_id
        content = member_content(Membership.KNOCK, await self._profiles.of(user_id), reason)
        await self._set(actor, user_id, user_id, content)

    async def set_member(
        self, requester: Requester, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> EventId:
        """Set a member event with a content of the requester's making; its event ID.

        The room's own way to do what the other methods do. Raises BadJson and Forbidden.
        """
        membership = parse_membership(content)
        if membership is None:
            raise BadJson("A member event has a membership")
        if membership is not Membership.LEAVE:
            require_not_suspended(requester)
        actor = await room_to_act_in(self._directory, room_id)
        if membership is Membership.INVITE:
            return await self._invite(actor, requester.user_id, user_id, content)
        if membership is Membership.JOIN and user_id == requester.user_id:
            return await self._join(requester, actor, content)
        return await self._set(actor, requester.user_id, user_id, content)

    async def require_accepts_invites(self, user_ids: Collection[UserId]) -> None:
        """Raises InviteBlocked when one of some users wants no invites."""
        await self._invitations.require_accepted_by(user_ids)

    async def _invite(
        self, actor: RoomActor, sender: UserId, user_id: UserId, content: JsonObject
    ) -> EventId:
        invite = NewEvent(type=MEMBER, sender=sender, content=content, state_key=user_id)
        return await self._invitations.send(actor, invite)

    async def _join(self, requester: Requester, actor: RoomActor, content: JsonObject) -> EventId:
        user_id = requester.user_id
        # Only who joins is vouched for; later member events of theirs are their own.
        content = {name: value for name, value in content.items() if name != _VOUCHED}
        if actor.head_membership(user_id) != Membership.JOIN:
            if requester.is_guest:
                _require_open_to_guests(actor)
            vouching_user = await self._restricted.vouching_user(actor, user_id)
            if vouching_user is not None:
                content[_VOUCHED] = vouching_user
            event_id = await self._set(actor, user_id, user_id, content)
            await self.carry_over_settings(actor, user_id)
            return event_id
        return await self._set(actor, user_id, user_id, content)

    async def _set(
        self, actor: RoomActor, sender: UserId, user_id: UserId, content: JsonObject
    ) -> EventId:
        return await set_state(
            actor, NewEvent(type=MEMBER, sender=sender, content=content, state_key=user_id)
        )

    async def _accept_third_party_invite(
        self, actor: RoomActor, user_id: UserId, proof: ThirdPartyProof
    ) -> None:
        """Turn the invite of a third-party identifier into one of its owner.

        "Third-party invites". The authorisation rules check the signature.
        """
        if server_name_of(proof.sender) != server_name_of(user_id):
            raise Forbidden("Only the server of who sent the invite can accept it")
        invite = actor.view.state.get(("m.room.third_party_invite", proof.token))
        if invite is None:
            raise Forbidden("The room has no third-party invite with this token")
        content = third_party_invite(str(invite.event.content.get("display_name", "")), proof)
        await self._set(actor, proof.sender, user_id, content)

    async def carry_over_settings(self, actor: RoomActor, user_id: UserId) -> None:
        """After a join of a room that replaces another one where the user is or was."""
        predecessor: Any = actor.view.content("m.room.create").get("predecessor")
        old_id = predecessor.get("room_id") if isinstance(predecessor, dict) else None
        if not isinstance(old_id, str):
            return
        try:
            old = await self._directory.by_id(RoomId(old_id))
        except NotFound:
            return
        if user_id in old.view.members:
            await self._settings.carry_over(user_id, old.view.room_id, actor.view.room_id)


def member_content(
    membership: Membership, profile: Profile | None, reason: str | None = None
) -> JsonObject:
    """The content of a member event; with the profile of the user whom it lets in, and why."""
    content: JsonObject = {"membership": membership.value}
    if profile is not None:
        if profile.displayname is not None:
            content["displayname"] = profile.displayname
        if profile.avatar_url is not None:
            content["avatar_url"] = profile.avatar_url
    if reason is not None:
        content["reason"] = reason
    return content


def third_party_invite(display_name: str, proof: ThirdPartyProof) -> JsonObject:
    """The content of the invite that an invite of a third-party identifier leads to."""
    return {
        "membership": Membership.INVITE.value,
        "third_party_invite": {"display_name": display_name, "signed": proof.signed},
    }


def _require_open_to_guests(actor: RoomActor) -> None:
    event = actor.head_event(GUEST_ACCESS)
    if not guests_may_join(event.event.content if event is not None else None):
        raise GuestAccessForbidden("Guests may not join this room")
