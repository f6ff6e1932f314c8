"""Taking guests out of rooms that do not want them any more. Client-server API, "Guest Access"."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import ServerName, server_name_of
from homeserver.domain.room_summary import guests_may_join
from homeserver.log.log import all_committed
from homeserver.ports.accounts.guests import GuestStore
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.view import MEMBER


class GuestDepartures:
    """Makes guests leave."""

    def __init__(self, guests: GuestStore, server_name: ServerName) -> None:
        self._guests = guests
        self._server_name = server_name

    async def enforce(self, actor: RoomActor) -> None:
        """Make this server's guests leave a room that does not let guests join."""
        if guests_may_join(actor.view.content("m.room.guest_access")):
            return
        local = [u for u in actor.view.joined() if server_name_of(u) == self._server_name]
        departures = [
            NewEvent(MEMBER, guest, {"membership": "leave"}, state_key=guest)
            for guest in await self._guests.guests_among(local)
        ]
        await actor.prepare(departures)
        await all_committed([_leave(actor, departure) for departure in departures])


def _leave(actor: RoomActor, departure: NewEvent) -> Deferred[None]:
    try:
        return actor.append_now(departure)[1]
    except Forbidden:
        return succeed(None)  # they have left meanwhile
