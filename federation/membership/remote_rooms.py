"""Memberships that other servers help with. See
:class:`homeserver.ports.federation.remote_rooms.RemoteRooms`."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from federation.membership.departures import RemoteDepartures
from federation.membership.failures import servers_to_ask
from federation.membership.handshake import Wish
from federation.membership.joins import Joins
from federation.membership.knocks import Knocks
from federation.membership.outgoing_invites import OutgoingInvites
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId, server_name_of
from homeserver.domain.membership import Membership
from homeserver.rooms.out_of_band import OutOfBandMemberships


@attrs.frozen
class Ways:
    """What can be done in rooms with the help of other servers."""

    joins: Joins
    knocks: Knocks
    departures: RemoteDepartures
    invites: OutgoingInvites


class FederatedRooms:
    """Finds the servers to ask, and asks them."""

    def __init__(
        self, ways: Ways, out_of_band: OutOfBandMemberships, server_name: ServerName
    ) -> None:
        self._ways = ways
        self._out_of_band = out_of_band
        self._server_name = server_name

    async def join(
        self, user_id: UserId, room_id: RoomId, content: JsonObject, via: Sequence[ServerName]
    ) -> EventId:
        servers = await self._servers(user_id, room_id, via)
        return await self._ways.joins.join(
            Wish(user_id, room_id, Membership.JOIN, content), servers
        )

    async def knock(
        self, user_id: UserId, room_id: RoomId, content: JsonObject, via: Sequence[ServerName]
    ) -> EventId:
        servers = await self._servers(user_id, room_id, via)
        return await self._ways.knocks.knock(
            Wish(user_id, room_id, Membership.KNOCK, content), servers
        )

    async def leave(self, user_id: UserId, room_id: RoomId, content: JsonObject) -> EventId | None:
        return await self._ways.departures.leave(Wish(user_id, room_id, Membership.LEAVE, content))

    async def invite(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> EventId:
        return await self._ways.invites.invite(sender, room_id, user_id, content)

    async def exchange_third_party_invite(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> None:
        await self._ways.invites.exchange(sender, room_id, user_id, content)

    async def _servers(
        self, user_id: UserId, room_id: RoomId, via: Sequence[ServerName]
    ) -> list[ServerName]:
        """Those the user names, those that invited, the one that the room's ID names, and those
        that were in the room when this server was."""
        known = await self._out_of_band.of(user_id, room_id)
        inviting: list[ServerName] = []
        if known is not None:
            inviting = [server_name_of(known.event.event.sender), *known.servers]
        named = [server_name_of(room_id)] if ":" in room_id else []
        former = await self._out_of_band.last_known_servers(room_id)
        return servers_to_ask(self._server_name, via, inviting, named, former)
