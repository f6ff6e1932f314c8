"""What happened in rooms before.

Server-server API, "Backfilling and retrieving missing events", and /timestamp_to_event.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from federation.resources.past_events import PastEvents
from federation.resources.room_gate import RoomGate
from federation.resources.server_visibility import ServerVisibility
from federation.resources.transactions import TransactionAnswers
from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import ServerName, parse_event_id, parse_room_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import EventStore
from homeserver.rooms.view import RoomView

MOST_BACKFILLED: Final = 100
MOST_MISSING: Final = 20
MOST_NAMED: Final = 1000
"""How many events a request may name."""
LOOKED_THROUGH: Final = 100
"""How many events near a time are looked at to find one that the asking server may see."""

_SECTION: Final = "Backfilling and retrieving missing events"

_Named = Annotated[list[str], msgspec.Meta(max_length=MOST_NAMED)]


class BackfillQuery(msgspec.Struct):
    """The query of /backfill."""

    v: Annotated[list[str], msgspec.Meta(max_length=MOST_BACKFILLED)]
    limit: Annotated[int, msgspec.Meta(ge=1)]


class MissingEventsBody(msgspec.Struct):
    """The body of /get_missing_events."""

    earliest_events: _Named
    latest_events: _Named
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10
    min_depth: int = 0


class TimeQuery(msgspec.Struct):
    """The query of /timestamp_to_event."""

    ts: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    dir: Literal["b", "f"]


class HistoryApi:
    """Reading the past of rooms, as far as the asking server may see it."""

    def __init__(
        self,
        gate: RoomGate,
        past: PastEvents,
        store: EventStore,
        visibility: ServerVisibility,
        transactions: TransactionAnswers,
    ) -> None:
        self._gate = gate
        self._past = past
        self._store = store
        self._visibility = visibility
        self._transactions = transactions

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        base = "/_matrix/federation/v1"
        return [
            route(
                "GET",
                (f"{base}/backfill/{{roomId}}",),
                self.backfill,
                section=_SECTION,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            ),
            route(
                "POST",
                (f"{base}/get_missing_events/{{roomId}}",),
                self.missing_events,
                body=MissingEventsBody,
                section=_SECTION,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            ),
            route(
                "GET",
                (f"{base}/timestamp_to_event/{{roomId}}",),
                self.nearest_event,
                section="Retrieving events",
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            ),
        ]

    async def backfill(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/backfill/{roomId}``: the newest events first."""
        query = request.query_as(BackfillQuery)
        start = [parse_event_id(event_id) for event_id in query.v]
        room = await self._room(request)
        found = await self._past.walk(room, start, min(query.limit, MOST_BACKFILLED))
        if not found:
            raise NotFound("These events are not known here")
        pdus = await self._visibility.pdus(request.origin, room, found)
        return self._transactions.of(pdus)

    async def missing_events(self, request: Request, body: MissingEventsBody) -> Answer:
        """``POST /_matrix/federation/v1/get_missing_events/{roomId}``: the oldest events first."""
        latest = [parse_event_id(event_id) for event_id in body.latest_events]
        earliest = {parse_event_id(event_id) for event_id in body.earliest_events}
        room = await self._room(request)
        limit = min(body.limit, MOST_MISSING)
        # The latest events themselves are known to who asks: only what is before them is wanted.
        walked = await self._past.walk(
            room, latest, limit + len(latest), passed_over=earliest, min_depth=body.min_depth
        )
        known = set(latest)
        found = [stored for stored in walked if stored.event.event_id not in known][:limit]
        found.sort(key=lambda stored: (stored.event.depth, stored.nid))
        pdus = await self._visibility.pdus(request.origin, room, found)
        return Answer(b'{"events":[%s]}' % b",".join(pdus))

    async def nearest_event(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/timestamp_to_event/{roomId}``"""
        query = request.query_as(TimeQuery)
        room = await self._room(request)
        stored = await self._nearest(request.origin, room, query)
        return ok(
            {
                "event_id": stored.event.event_id,
                "origin_server_ts": stored.event.origin_server_ts,
            }
        )

    async def _nearest(self, origin: ServerName, room: RoomView, query: TimeQuery) -> StoredEvent:
        for limit in (1, LOOKED_THROUGH):
            near = await self._store.nearest_to_time(
                room.nid, query.ts, backwards=query.dir == "b", limit=limit
            )
            hidden = await self._visibility.hidden(origin, room, near)
            for stored in near:
                if stored.nid not in hidden:
                    return stored
        raise NotFound("There is no event in this direction")

    async def _room(self, request: Request) -> RoomView:
        return await self._gate.admit(request.origin, parse_room_id(request.parameters["roomId"]))
