"""Joining rooms whose rules let in the members of other rooms.

Client-server API, "Restricted rooms".
"""

from __future__ import annotations

from collections.abc import Iterator

from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.domain.room_creators import privileged_creators
from homeserver.domain.room_summary import allowed_rooms
from homeserver.domain.room_versions import RoomVersion
from homeserver.ports.rooms.memberships import MembershipStore
from homeserver.rooms.actor import RoomActor

JOIN_RULES = ("m.room.join_rules", "")


class RestrictedJoins:
    """Checks the conditions of a room, and finds who vouches for those who meet one."""

    def __init__(self, memberships: MembershipStore, server_name: ServerName) -> None:
        self._memberships = memberships
        self._server_name = server_name

    async def vouching_user(self, actor: RoomActor, user_id: UserId) -> UserId | None:
        """Who in the room vouches for the join of a user; None where nobody needs to.

        Raises Forbidden when the user meets no condition, or nobody of this server in the room
        may invite.
        """
        if actor.head_membership(user_id) in ("join", "invite", "ban"):
            return None
        event = actor.head_event(JOIN_RULES)
        content = event.event.content if event is not None else {}
        if not _is_restricted(content.get("join_rule"), actor.view.version):
            return None
        theirs = await self._memberships.memberships(user_id, allowed_rooms(content))
        if "join" not in theirs.values():
            raise Forbidden(
                "You must be invited to this room, or be in one of the rooms it lets people in from"
            )
        return self._inviter(actor)

    def _inviter(self, actor: RoomActor) -> UserId:
        power_levels = actor.head_power_levels()
        for user_id in self._candidates(actor):
            if (
                server_name_of(user_id) == self._server_name
                and actor.head_membership(user_id) == "join"
                and power_levels.user_level(user_id) >= power_levels.invite
            ):
                return user_id
        raise Forbidden("Nobody of this server in the room may let you in")

    @staticmethod
    def _candidates(actor: RoomActor) -> Iterator[UserId]:
        """Users of the room, those with power first, so that few are looked at."""
        yield from privileged_creators(actor.view.create.event)
        users = actor.view.content("m.room.power_levels").get("users")
        if isinstance(users, dict):
            yield from map(UserId, users)
        yield from actor.view.joined()


def _is_restricted(join_rule: object, version: RoomVersion) -> bool:
    """Whether a join rule lets in the members of other rooms."""
    if join_rule == "restricted":
        return version.restricted_join_rule
    return join_rule == "knock_restricted" and version.knock_restricted_join_rule
