"""Joining rooms whose rules let in the members of other rooms.

Client-server API and server-server API, "Restricted rooms".
"""

from __future__ import annotations

from collections.abc import Iterator

from homeserver.domain.errors import (
    Forbidden,
    NotFound,
    UnableToAuthoriseJoin,
    UnableToGrantJoin,
)
from homeserver.domain.identifiers import RoomId, ServerName, UserId, server_name_of
from homeserver.domain.room_creators import privileged_creators
from homeserver.domain.room_summary import allowed_rooms
from homeserver.domain.room_versions import RoomVersion
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory

JOIN_RULES = ("m.room.join_rules", "")

# Of so many conditions it is looked whether one is met.
MOST_CONDITIONS = 50


class RestrictedJoins:
    """Checks the conditions of a room, and finds who vouches for those who meet one."""

    def __init__(self, directory: RoomDirectory, server_name: ServerName) -> None:
        self._directory = directory
        self._server_name = server_name

    async def vouching_user(self, actor: RoomActor, user_id: UserId) -> UserId | None:
        """Who in the room vouches for the join of a user; None where nobody needs to.

        Raises Forbidden when the user meets no condition, UnableToAuthoriseJoin when this server
        can tell of none whether it is met, and UnableToGrantJoin when nobody of this server in the
        room may invite.
        """
        if actor.head_membership(user_id) in ("join", "invite", "ban"):
            return None
        event = actor.head_event(JOIN_RULES)
        content = event.event.content if event is not None else {}
        if not _is_restricted(content.get("join_rule"), actor.view.version):
            return None
        await self._require_condition(user_id, allowed_rooms(content)[:MOST_CONDITIONS])
        return self._inviter(actor)

    async def _require_condition(self, user_id: UserId, room_ids: list[RoomId]) -> None:
        """Whether a user is in one of some rooms, as far as this server is in them."""
        can_tell = not room_ids
        for room_id in room_ids:
            try:
                other = await self._directory.by_id(room_id)
            except NotFound:
                continue
            if not other.is_resident:
                continue
            if other.head_membership(user_id) == "join":
                return
            can_tell = True
        if not can_tell:
            raise UnableToAuthoriseJoin()
        raise Forbidden(
            "You must be invited to this room, or be in one of the rooms it lets people in from"
        )

    def _inviter(self, actor: RoomActor) -> UserId:
        power_levels = actor.head_power_levels()
        for user_id in self._candidates(actor):
            if (
                server_name_of(user_id) == self._server_name
                and actor.head_membership(user_id) == "join"
                and power_levels.user_level(user_id) >= power_levels.invite
            ):
                return user_id
        raise UnableToGrantJoin("Nobody of this server in the room may let you in")

    @staticmethod
    def _candidates(actor: RoomActor) -> Iterator[UserId]:
        """Users of the room, those with power first, so that few are looked at."""
        yield from privileged_creators(actor.view.create.event)
        users = actor.view.content("m.room.power_levels").get("users")
        if isinstance(users, dict):
            yield from (UserId(user) for user in users if user in actor.view.members)
        yield from actor.view.joined()


def _is_restricted(join_rule: object, version: RoomVersion) -> bool:
    """Whether a join rule lets in the members of other rooms."""
    if join_rule == "restricted":
        return version.restricted_join_rule
    return join_rule == "knock_restricted" and version.knock_restricted_join_rule
