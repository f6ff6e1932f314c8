"""Single events.

Server-server API, "Retrieving events".
"""

from __future__ import annotations

from federation.resources.room_gate import check_acl
from federation.resources.server_visibility import ServerVisibility
from federation.resources.transactions import TransactionAnswers
from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import EventId, ServerName, parse_event_id
from homeserver.http.answers import Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.rooms.directory import RoomDirectory


class EventsApi:
    """Reading one event, whatever became of it here."""

    def __init__(
        self,
        directory: RoomDirectory,
        visibility: ServerVisibility,
        transactions: TransactionAnswers,
    ) -> None:
        self._directory = directory
        self._visibility = visibility
        self._transactions = transactions

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                ("/_matrix/federation/v1/event/{eventId}",),
                self.get,
                section="Retrieving events",
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/event/{eventId}``"""
        event_id = parse_event_id(request.parameters["eventId"])
        return self._transactions.of([await self._pdu(request.origin, event_id)])

    async def _pdu(self, origin: ServerName, event_id: EventId) -> bytes:
        stored = (await self._directory.events.fetch_ids([event_id])).get(event_id)
        if stored is None:
            raise NotFound("Event not found")
        room = (await self._directory.by_nid(stored.room_nid)).view
        if not room.is_known:
            # A membership that came alone: others are to be asked about that room.
            raise NotFound("Event not found")
        check_acl(room, origin)
        if origin in room.joined_servers:
            (pdu,) = await self._visibility.pdus(origin, room, [stored])
            return pdu
        if stored.nid in await self._visibility.hidden(origin, room, [stored]):
            raise Forbidden("Your server is not in this room")
        return stored.event.pdu
