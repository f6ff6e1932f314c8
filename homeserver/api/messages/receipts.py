"""Receipts and read markers.

Client-server API, "Receipts" and "Fully read markers".
"""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import (
    EventId,
    RoomId,
    UserId,
    parse_event_id,
    parse_room_id,
)
from homeserver.http.answers import EMPTY, Answer
from homeserver.http.request import Request
from homeserver.http.routes import RateClass, Route, client, route
from homeserver.log.log import all_committed
from homeserver.ports.rooms.receipts import UNTHREADED
from homeserver.services.messages.read_markers import ReadMarkers
from homeserver.services.messages.receipts import MAIN, READ, READ_PRIVATE, Receipts
from homeserver.services.personal.account_data import FULLY_READ


class ReceiptBody(msgspec.Struct):
    """The body of ``POST /rooms/{roomId}/receipt/{receiptType}/{eventId}``."""

    thread_id: Any = msgspec.UNSET


class ReadMarkersBody(msgspec.Struct):
    """The body of ``POST /rooms/{roomId}/read_markers``."""

    fully_read: str | None = msgspec.field(default=None, name=FULLY_READ)
    read: str | None = msgspec.field(default=None, name=READ)
    read_private: str | None = msgspec.field(default=None, name=READ_PRIVATE)


class ReceiptsApi:
    """Up to where the user has read."""

    def __init__(self, receipts: Receipts, markers: ReadMarkers) -> None:
        self._receipts = receipts
        self._markers = markers

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                client("/rooms/{roomId}/receipt/{receiptType}/{eventId}"),
                self.receipt,
                body=ReceiptBody,
                rate=RateClass.EPHEMERAL,
                section="Receipts",
            ),
            route(
                "POST",
                client("/rooms/{roomId}/read_markers"),
                self.read_markers,
                body=ReadMarkersBody,
                rate=RateClass.EPHEMERAL,
                section="Fully read markers",
            ),
        ]

    async def receipt(self, request: Request, body: ReceiptBody) -> Answer:
        """``POST /rooms/{roomId}/receipt/{receiptType}/{eventId}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        event_id = parse_event_id(request.parameters["eventId"])
        receipt_type = request.parameters["receiptType"]
        thread_id = _thread_id(body.thread_id)
        if receipt_type not in (READ, READ_PRIVATE, FULLY_READ):
            raise InvalidParam("There is no such type of receipt")
        if receipt_type == FULLY_READ and thread_id != UNTHREADED:
            raise InvalidParam("m.fully_read has no threads")
        await self._move(request.user_id, room_id, receipt_type, event_id, thread_id)
        return EMPTY

    async def read_markers(self, request: Request, body: ReadMarkersBody) -> Answer:
        """``POST /rooms/{roomId}/read_markers``"""
        room_id = parse_room_id(request.parameters["roomId"])
        asked = {FULLY_READ: body.fully_read, READ: body.read, READ_PRIVATE: body.read_private}
        events = {type: parse_event_id(event) for type, event in asked.items() if event is not None}
        moves = [
            Deferred.fromCoroutine(self._move(request.user_id, room_id, type, event_id))
            for type, event_id in events.items()
        ]
        await all_committed(moves)
        return EMPTY

    async def _move(
        self,
        user_id: UserId,
        room_id: RoomId,
        type: str,
        event_id: EventId,
        thread_id: str = UNTHREADED,
    ) -> None:
        if type == FULLY_READ:
            await self._markers.move(user_id, room_id, event_id)
        else:
            await self._receipts.move(user_id, room_id, type, event_id, thread_id)


def _thread_id(given: Any) -> str:
    if given is msgspec.UNSET:
        return UNTHREADED
    if not isinstance(given, str) or not given:
        raise InvalidParam("thread_id field must be a non-empty string")
    return given if given == MAIN else parse_event_id(given)
