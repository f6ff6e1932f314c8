"""Invites that are withdrawn and knocks that are denied, in rooms that this server is not in.

Server-server API, "Inviting to a room": the event comes in a transaction like any other, but there
is no state of the room here by which it could be judged.
"""

from __future__ import annotations

from typing import Any, Final

from federation.inbound.event_checks import EventChecks
from federation.membership.handshake import MEMBER
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import (
    RoomId,
    ServerName,
    UserId,
    parse_user_id,
    server_name_of,
)
from homeserver.domain.membership import Membership, parse_membership
from homeserver.domain.room_versions import room_version
from homeserver.rooms.out_of_band import OutOfBandMembership, OutOfBandMemberships
from homeserver.services.turns import Turns

_ENDS: Final = (Membership.LEAVE, Membership.BAN)


class Withdrawals:
    """Takes in what ends the invites and knocks of this server's users."""

    def __init__(
        self,
        checks: EventChecks,
        out_of_band: OutOfBandMemberships,
        turns: Turns,
        server_name: ServerName,
    ) -> None:
        self._checks = checks
        self._out_of_band = out_of_band
        self._turns = turns
        self._server_name = server_name

    async def take(self, origin: ServerName, room_id: RoomId, pdu: JsonObject) -> bool:
        """Whether an event that ``origin`` sent ends what a user here is to a room.

        Only the servers that could have sent the invite, or through which the user knocked, are
        believed.
        """
        user_id = self._ended(pdu)
        if user_id is None:
            return False
        async with self._turns.of(room_id):
            known = await self._out_of_band.of(user_id, room_id)
            if known is None or origin not in _believed(known):
                return False
            (event,) = await self._checks.checked([pdu], room_version(known.room.version))
            if not isinstance(event, Event) or not _is_by(origin, room_id, event):
                return False
            await self._out_of_band.record(event)
            return True

    def _ended(self, pdu: JsonObject) -> UserId | None:
        """The user of this server whose invite or knock an event seems to end."""
        content: Any = pdu.get("content")
        state_key: Any = pdu.get("state_key")
        if pdu.get("type") != MEMBER or not isinstance(content, dict):
            return None
        if parse_membership(content) not in _ENDS or not isinstance(state_key, str):
            return None
        try:
            user_id = parse_user_id(state_key)
        except InvalidParam:
            return None
        return user_id if server_name_of(user_id) == self._server_name else None


def _believed(known: OutOfBandMembership) -> set[ServerName]:
    if known.event.event.content.get("membership") == Membership.INVITE:
        return {server_name_of(known.event.event.sender)}
    return set(known.servers)


def _is_by(origin: ServerName, room_id: RoomId, event: Event) -> bool:
    # A redacted form has its membership still, so whatever its hash says it is what it is.
    is_end = parse_membership(event.content) in _ENDS
    return is_end and event.room_id == room_id and server_name_of(event.sender) == origin
