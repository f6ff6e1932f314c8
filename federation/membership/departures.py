"""Rejecting invites and retracting knocks with the help of servers that are in the rooms.

Server-server API, "Leaving Rooms (Rejecting Invites)".
"""

from __future__ import annotations

from typing import Final

import structlog

from federation.membership.failures import first_to_help, servers_to_ask
from federation.membership.handshake import MEMBER, Handshake, Pen, Wish
from federation.transport.errors import RemoteError
from federation.transport.federation_client import FederationClient
from federation.transport.request_paths import federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import MatrixError
from homeserver.domain.events import Event, EventDraft, reference_of
from homeserver.domain.identifiers import EventId, ServerName, server_name_of
from homeserver.domain.room_versions import room_version
from homeserver.rooms.out_of_band import OutOfBandMembership, OutOfBandMemberships
from homeserver.services.turns import Turns

SECONDS: Final = 20.0
"""How long a server may take to let a user go."""
MOST_ASKED: Final = 4

log = structlog.get_logger(__name__)


class RemoteDepartures:
    """Leaves rooms that this server is not in."""

    def __init__(
        self,
        client: FederationClient,
        handshake: Handshake,
        pen: Pen,
        out_of_band: OutOfBandMemberships,
        turns: Turns,
    ) -> None:
        self._client = client
        self._handshake = handshake
        self._pen = pen
        self._out_of_band = out_of_band
        self._turns = turns

    async def leave(self, wish: Wish) -> EventId | None:
        """Reject an invite or retract a knock; the member event. None where there is neither.

        When no server takes it, the user has left all the same as far as this one is concerned.
        """
        membership = await self._out_of_band.of(wish.user_id, wish.room_id)
        if membership is None:
            return None
        inviter = server_name_of(membership.event.event.sender)
        servers = servers_to_ask(
            self._pen.server_name, [inviter], membership.servers, most=MOST_ASKED
        )
        try:
            leave = await first_to_help(servers, lambda server: self._through(server, wish))
        except MatrixError as error:
            log.info("left_alone", room_id=wish.room_id, user_id=wish.user_id, why=error.message)
            leave = self._alone(wish, membership)
        async with self._turns.of(wish.room_id):
            if await self._out_of_band.of(wish.user_id, wish.room_id) is not None:
                await self._out_of_band.record(leave)
        return leave.event_id

    async def _through(self, server: ServerName, wish: Wish) -> Event:
        made = await self._handshake.make(server, wish, timeout=SECONDS)
        leave = made.event
        try:
            await self._send(server, leave, "v2")
        except RemoteError as error:
            if error.remote_status != 404 or error.remote_errcode == "M_NOT_FOUND":
                raise
            await self._send_v1(server, leave)
        return leave

    async def _send(self, server: ServerName, leave: Event, api: str) -> None:
        path = federation_path("send_leave", leave.room_id, leave.event_id, version=api)
        await self._client.put_json(server, path, leave.pdu, timeout=SECONDS)

    async def _send_v1(self, server: ServerName, leave: Event) -> None:
        # The answer is an array, of which nothing is of use.
        path = federation_path("send_leave", leave.room_id, leave.event_id, version="v1")
        await self._client.stream(
            "PUT", server, path, lambda head: _ignored, content=leave.pdu, timeout=SECONDS
        )

    def _alone(self, wish: Wish, membership: OutOfBandMembership) -> Event:
        before = membership.event.event
        content: JsonObject = dict(wish.content)
        version = room_version(membership.room.version)
        return self._pen.write(
            EventDraft(
                wish.room_id,
                MEMBER,
                wish.user_id,
                wish.user_id,
                content,
                self._pen.clock.now_ms(),
            ),
            version,
            [reference_of(before)],
            [reference_of(before)],
            before.depth + 1,
        )


def _ignored(chunk: bytes) -> None:
    """Nobody needs it."""
