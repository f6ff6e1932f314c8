"""Taking a user out of all rooms at once."""

from __future__ import annotations

from itertools import islice

import structlog
from twisted.internet.defer import Deferred, succeed

from homeserver.domain.errors import Forbidden, MatrixError
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.log.log import all_committed
from homeserver.ports.federation.remote_rooms import RemoteRooms
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import MEMBER

log = structlog.get_logger(__name__)

# How many rooms are in hand at a time.
AT_ONCE = 50


class Departures:
    """See :class:`homeserver.ports.accounts.room_departures.RoomDepartures`."""

    def __init__(self, directory: RoomDirectory, remote: RemoteRooms) -> None:
        self._directory = directory
        self._remote = remote

    async def leave_all(self, user_id: UserId) -> None:
        """Leave every room, and reject or retract every invite and knock."""
        rooms = await self._directory.store.rooms_of_user(user_id)
        left = iter([r.room_nid for r in rooms if r.membership in ("join", "invite", "knock")])
        while nids := list(islice(left, AT_ONCE)):
            loaded = (await self._directory.load(nids)).values()
            actors = [actor for actor in loaded if actor.is_resident]
            elsewhere = [actor.view.room_id for actor in loaded if not actor.is_resident]
            for actor in actors:
                await actor.prepare([_departure(user_id)])
            await all_committed([_leave(actor, user_id) for actor in actors])
            for room_id in elsewhere:
                await self._leave_elsewhere(user_id, room_id)

    async def _leave_elsewhere(self, user_id: UserId, room_id: RoomId) -> None:
        try:
            await self._remote.leave(user_id, room_id, {"membership": "leave"})
        except MatrixError as error:
            log.info("departure_refused", room_id=room_id, reason=error.message)


def _departure(user_id: UserId) -> NewEvent:
    return NewEvent(MEMBER, user_id, {"membership": "leave"}, state_key=user_id)


def _leave(actor: RoomActor, user_id: UserId) -> Deferred[None]:
    try:
        _, committed = actor.append_now(_departure(user_id))
    except Forbidden as error:
        # They have left meanwhile, or were banned.
        log.info("departure_refused", room_id=actor.view.room_id, reason=error.message)
        return succeed(None)
    return committed
