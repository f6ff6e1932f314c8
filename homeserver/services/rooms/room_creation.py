"""Creating rooms. Client-server API, "Creation"."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import attrs
import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.errors import (
    Forbidden,
    InvalidParam,
    InvalidRoomState,
    MatrixError,
    RoomInUse,
)
from homeserver.domain.identifiers import RoomAlias, RoomId, ServerName, parse_room_alias
from homeserver.domain.power_levels import check_power_level_content
from homeserver.domain.requester import Requester
from homeserver.domain.room_versions import room_version
from homeserver.log.log import all_committed
from homeserver.ports.database import UniqueViolation
from homeserver.ports.personal.profiles import Profiles
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.first_events import FirstEvents, NewRoomRequest
from homeserver.services.rooms.membership import Memberships

log = structlog.get_logger(__name__)


@attrs.frozen(slots=True)
class RoomDefaults:
    """What this server makes new rooms with. ``new_room_id`` gives a random ID, for the versions
    whose IDs are not hashes."""

    server_name: ServerName
    room_version: str
    new_room_id: Callable[[], RoomId]


class RoomCreation:
    """Creates rooms with all their first events, in one batch."""

    def __init__(
        self,
        directory: RoomDirectory,
        aliases: Aliases,
        memberships: Memberships,
        profiles: Profiles,
        defaults: RoomDefaults,
    ) -> None:
        self._directory = directory
        self._aliases = aliases
        self._memberships = memberships
        self._profiles = profiles
        self._defaults = defaults

    async def create(self, requester: Requester, request: NewRoomRequest) -> RoomId:
        """Create a room; its ID.

        Raises UnsupportedRoomVersion, RoomInUse for an alias that is taken, InvalidRoomState when
        the events that the request asks for do not go together, InviteBlocked, BadJson, BadAlias
        and InvalidParam.
        """
        require_not_suspended(requester)
        if request.invites_third_parties:
            raise Forbidden("This server does not use identity servers")
        version = room_version(request.room_version or self._defaults.room_version)
        check_power_level_content(request.power_levels)
        alias = self._alias(request.alias_localpart)
        request = attrs.evolve(request, invite=list(dict.fromkeys(request.invite)))
        await self._memberships.require_accepts_invites(request.invite)
        profiles = await self._profiles.of_all([requester.user_id, *request.invite])
        first_events = FirstEvents(requester.user_id, version, request, profiles, alias)
        first_events.check()
        with self._aliases.claim(alias) if alias is not None else nullcontext():
            if alias is not None:
                await self._aliases.require_free(alias)
            room_id = await self._make(first_events)
        await self._invite_from_elsewhere(requester, room_id, first_events)
        return room_id

    async def _invite_from_elsewhere(
        self, requester: Requester, room_id: RoomId, first: FirstEvents
    ) -> None:
        """Invite users of other servers. The room is there whatever these servers say."""
        for user_id in first.remote_invites():
            try:
                await self._memberships.invite(
                    requester, room_id, user_id, is_direct=first.request.is_direct
                )
            except MatrixError as error:
                log.info("invite_failed", room_id=room_id, user_id=user_id, error=error.message)

    async def _make(self, first: FirstEvents) -> RoomId:
        version = first.version
        try:
            actor, _, committed = self._directory.create(
                version.identifier,
                first.creation(),
                first.following,
                room_id=None if version.room_id_is_create_hash else self._defaults.new_room_id(),
                published=first.request.public,
            )
        except Forbidden as error:
            raise InvalidRoomState(error.message) from error
        if first.alias is None:
            await committed
            return actor.view.room_id
        # The alias is written in the same batch as the room.
        naming = self._aliases.put(first.alias, actor.view.nid, first.creator)
        try:
            await all_committed([committed, Deferred.fromCoroutine(naming)])
        except UniqueViolation:
            raise RoomInUse(f"Room alias {first.alias} is already taken") from None
        return actor.view.room_id

    def _alias(self, localpart: str | None) -> RoomAlias | None:
        if localpart is None:
            return None
        if not localpart or any(c in "#:" or c.isspace() for c in localpart):
            raise InvalidParam("room_alias_name must be the local part of a room alias")
        return parse_room_alias(f"#{localpart}:{self._defaults.server_name}")
