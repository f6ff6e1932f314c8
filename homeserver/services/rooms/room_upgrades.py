"""Replacing a room by one of another version. Client-server API, "Room Upgrades"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from twisted.internet.defer import Deferred

from homeserver.domain.errors import Forbidden, InvalidRoomState
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.requester import Requester
from homeserver.domain.room_versions import room_version
from homeserver.log.log import all_committed
from homeserver.ports.personal.personal_settings import PersonalSettings
from homeserver.ports.rooms.published_rooms import PublishedRoomStore
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.rooms.acting_in_rooms import room_to_act_in
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.room_creation import RoomDefaults
from homeserver.services.rooms.successor_events import TOMBSTONE, SuccessorEvents


class RoomUpgrades:
    """Makes a new room in place of an old one, and sends people there."""

    def __init__(
        self,
        directory: RoomDirectory,
        aliases: Aliases,
        published: PublishedRoomStore,
        settings: PersonalSettings,
        defaults: RoomDefaults,
    ) -> None:
        self._directory = directory
        self._aliases = aliases
        self._published = published
        self._settings = settings
        self._defaults = defaults

    async def upgrade(
        self,
        requester: Requester,
        room_id: RoomId,
        new_version: str,
        additional_creators: Sequence[UserId] = (),
    ) -> RoomId:
        """Replace a room by a new one of ``new_version``, which takes over its state, its aliases
        and its place in the directory; the new room's ID.

        Raises Forbidden and UnsupportedRoomVersion.
        """
        require_not_suspended(requester)
        version = room_version(new_version)
        user_id = requester.user_id
        old = await room_to_act_in(self._directory, room_id)
        aliases = await self._aliases.of_room(old.view.nid)
        events = SuccessorEvents(old, user_id, version, additional_creators, aliases)
        await old.prepare([events.tombstone(room_id)])
        # From here to the wait all happens in one turn, so that the old room cannot change.
        _require_may_upgrade(old, user_id)
        try:
            new, _, created = self._directory.create(
                version.identifier,
                events.creation(),
                lambda _: events.following(),
                room_id=None if version.room_id_is_create_hash else self._defaults.new_room_id(),
                published=old.view.published,
            )
        except Forbidden as error:
            raise InvalidRoomState(error.message) from error
        _, ended = old.append_now(events.tombstone(new.view.room_id))
        commits = [created, ended, *_append_allowed(old, events.farewells())]
        commits.append(Deferred.fromCoroutine(self._move_names(old, new)))
        await all_committed(commits)
        await self._settings.carry_over(user_id, room_id, new.view.room_id)
        return new.view.room_id

    async def _move_names(self, old: RoomActor, new: RoomActor) -> None:
        """Let the old room's aliases point to the new one, which is listed in its stead."""
        moving = Deferred.fromCoroutine(self._aliases.move(old.view.nid, new.view.nid))
        if old.view.published:
            await self._published.set_published(old.view.nid, False)
            old.view.published = False
        await moving


def _require_may_upgrade(old: RoomActor, user_id: UserId) -> None:
    power_levels = old.head_power_levels()
    needed = power_levels.event_level(TOMBSTONE, is_state=True)
    if old.head_membership(user_id) != "join" or power_levels.user_level(user_id) < needed:
        raise Forbidden("You may not upgrade this room")


def _append_allowed(actor: RoomActor, news: Iterable[NewEvent]) -> Iterator[Deferred[None]]:
    """Append the events that the authorisation rules allow."""
    for new in news:
        try:
            _, committed = actor.append_now(new)
        except Forbidden:
            continue
        yield committed
