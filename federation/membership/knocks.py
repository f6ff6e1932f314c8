"""Knocking on rooms with the help of servers that are in them.

Server-server API, "Knocking upon a room".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from federation.membership.failures import first_to_help
from federation.membership.handshake import Handshake, Wish
from federation.membership.room_description import Descriptions
from federation.transport.federation_client import FederationClient
from federation.transport.request_paths import federation_path
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.rooms.out_of_band import OutOfBandMemberships, Told
from homeserver.services.turns import Turns


class Knocks:
    """Knocks on rooms that this server is not in."""

    def __init__(
        self,
        client: FederationClient,
        handshake: Handshake,
        descriptions: Descriptions,
        out_of_band: OutOfBandMemberships,
        turns: Turns,
    ) -> None:
        self._client = client
        self._handshake = handshake
        self._descriptions = descriptions
        self._out_of_band = out_of_band
        self._turns = turns

    async def knock(self, wish: Wish, servers: Sequence[ServerName]) -> EventId:
        """Knock with the help of the first of some servers that can; the member event."""
        return await first_to_help(servers, lambda server: self._through(server, wish, servers))

    async def _through(
        self, server: ServerName, wish: Wish, servers: Sequence[ServerName]
    ) -> EventId:
        made = await self._handshake.make(server, wish)
        knock = made.event
        answer = await self._client.put_json(
            server, federation_path("send_knock", knock.room_id, knock.event_id), knock.pdu
        )
        state: Any = answer.get("knock_room_state")
        described = await self._descriptions.stripped(state, knock.room_id, knock.version)
        ask = list(dict.fromkeys([server, *servers]))
        async with self._turns.of(knock.room_id):
            await self._out_of_band.record(knock, Told(described, ask))
        return knock.event_id
