"""Auth chains: all that authorises events, and what authorises that.

Server-server API, "Auth chain" in its terms. Chains may be long, so they are walked without keeping
events: what is passed on is read again when it is sent.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Final

import attrs

from homeserver.domain.identifiers import EventId
from homeserver.domain.pdu_fields import read_pdu_fields
from homeserver.ports.federation.stored_pdus import StoredPdu, StoredPdus
from homeserver.rooms.view import RoomView

CHUNK: Final = 500
"""How many events are read at once."""


@attrs.frozen
class AuthChain:
    """The numbers and IDs of the events of a chain."""

    event_ids: dict[int, EventId]

    @property
    def nids(self) -> list[int]:
        """Their numbers, the oldest first."""
        return sorted(self.event_ids)


class AuthChains:
    """Finds the auth chains of events, in a query for each generation or chunk of one."""

    def __init__(self, pdus: StoredPdus) -> None:
        self._pdus = pdus

    async def of(self, room: RoomView, nids: Collection[int]) -> AuthChain:
        """The chain of some events, which are part of it only if others of them refer to them."""
        chain: dict[int, EventId] = {}
        seen: set[EventId] = set()
        ahead: set[EventId] = set()
        rest = iter(nids)
        while chunk := list(islice(rest, CHUNK)):
            ahead |= _authorising(room, await self._pdus.by_nid(chunk))
        while ahead:
            seen |= ahead
            below: set[EventId] = set()
            left = iter(ahead)
            while chunk_ids := list(islice(left, CHUNK)):
                found = [p for p in await self._pdus.by_id(chunk_ids) if p.room_nid == room.nid]
                chain.update((pdu.nid, pdu.event_id) for pdu in found)
                below |= _authorising(room, found)
            ahead = below - seen
        return AuthChain(chain)


def _authorising(room: RoomView, pdus: Collection[StoredPdu]) -> set[EventId]:
    return {
        event_id
        for pdu in pdus
        for event_id in read_pdu_fields(pdu.pdu, room.version).auth_event_ids
    }
