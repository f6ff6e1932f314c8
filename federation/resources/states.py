"""States of rooms at an event, and the auth chains of events.

Server-server API, "Retrieving events" and "Retrieving event authorization information".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

import attrs
import msgspec

from federation.resources.auth_chains import CHUNK, AuthChain, AuthChains
from federation.resources.room_gate import RoomGate
from federation.resources.spliced_answers import AnswerSplicer, SplicedAnswer
from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import EventId, RoomId, parse_event_id, parse_room_id
from homeserver.http.answers import Answer, encode_json
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.federation.stored_pdus import StoredPdus
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.room_states import RoomStates
from homeserver.rooms.view import RoomView

_UNPLACED: Final = (Standing.OUTLIER, Standing.REJECTED)


class AtEvent(msgspec.Struct):
    """The query of /state and /state_ids."""

    event_id: str


@attrs.frozen
class StatesOfRooms:
    """What is read to tell the state of a room."""

    events: EventCache
    states: RoomStates
    chains: AuthChains
    pdus: StoredPdus


class StatesApi:
    """Reading whole states, as the joined servers of a room may."""

    def __init__(self, gate: RoomGate, rooms: StatesOfRooms, splicer: AnswerSplicer) -> None:
        self._gate = gate
        self._states = rooms.states
        self._events = rooms.events
        self._chains = rooms.chains
        self._pdus = rooms.pdus
        self._splicer = splicer

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        authorization = "Retrieving event authorization information"
        operations = (
            ("/state/{roomId}", self.state, "Retrieving events"),
            ("/state_ids/{roomId}", self.state_ids, "Retrieving events"),
            ("/event_auth/{roomId}/{eventId}", self.event_auth, authorization),
        )
        return [
            route(
                "GET",
                (f"/_matrix/federation/v1{path}",),
                handler,
                section=section,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            )
            for path, handler, section in operations
        ]

    async def state(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/state/{roomId}``"""
        room, stored = await self._event(request, request.query_as(AtEvent).event_id)
        async with self._splicer.large:
            nids = await self._state_before(room, stored)
            chain = await self._chains.of(room, nids)
            return await self._spliced({b"pdus": nids, b"auth_chain": chain.nids})

    async def state_ids(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/state_ids/{roomId}``"""
        room, stored = await self._event(request, request.query_as(AtEvent).event_id)
        async with self._splicer.large:
            nids = await self._state_before(room, stored)
            ids = await self._states.store.ids(nids)
            chain: AuthChain = await self._chains.of(room, nids)
        return Answer(
            b'{"auth_chain_ids":%s,"pdu_ids":%s}'
            % (
                encode_json([chain.event_ids[nid] for nid in chain.nids]),
                encode_json([ids[nid] for nid in nids if nid in ids]),
            )
        )

    async def event_auth(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}``"""
        room, stored = await self._event(request, request.parameters["eventId"])
        async with self._splicer.large:
            chain = await self._chains.of(room, [stored.nid])
            return await self._spliced({b"auth_chain": chain.nids})

    async def _event(self, request: Request, raw_event_id: str) -> tuple[RoomView, StoredEvent]:
        """The room that is asked about and an event of it. Raises Forbidden and NotFound."""
        room_id: RoomId = parse_room_id(request.parameters["roomId"])
        event_id: EventId = parse_event_id(raw_event_id)
        room = await self._gate.admit(request.origin, room_id)
        found = next((s for s in room.tail if s.event.event_id == event_id), None)
        if found is None:
            found = (await self._events.fetch_ids([event_id])).get(event_id)
        if found is None or found.room_nid != room.nid:
            raise NotFound("Could not find this event in the room")
        return room, found

    async def _state_before(self, room: RoomView, stored: StoredEvent) -> list[int]:
        """The numbers of the events of the state before an event, the oldest first."""
        if stored.standing in _UNPLACED:
            raise NotFound("The state at this event is not known here")
        places = await self._states.store.places(room.nid, stored.state_before)
        return sorted(places.values())

    async def _spliced(self, lists: dict[bytes, Sequence[int]]) -> Answer:
        """An object with lists of events, each given by their numbers."""
        answer = self._splicer.begin()
        try:
            for index, (name, nids) in enumerate(lists.items()):
                await answer.write(b'%s"%s":[' % (b"," if index else b"{", name))
                await self._write_events(answer, nids)
                await answer.write(b"]")
            await answer.write(b"}")
            return await answer.finish()
        finally:
            answer.close()

    async def _write_events(self, answer: SplicedAnswer, nids: Collection[int]) -> None:
        rest = iter(nids)
        separator = b""
        while chunk := list(islice(rest, CHUNK)):
            for pdu in await self._pdus.by_nid(chunk):
                await answer.write(separator, pdu.pdu)
                separator = b","
