"""Reporting content."""

from __future__ import annotations

import msgspec

from homeserver.domain.identifiers import parse_event_id, parse_room_id, parse_user_id
from homeserver.http.answers import EMPTY, Answer
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route
from homeserver.services.rooms.reports import Reports


class EventReportBody(msgspec.Struct):
    """The body of ``POST /rooms/{roomId}/report/{eventId}``."""

    reason: str | None = None


class ReportBody(msgspec.Struct):
    """The body of reports of rooms and users."""

    reason: str


class ReportsApi:
    """Telling the administrators of what is inappropriate."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        section = "Reporting Content"
        return [
            route(
                "POST",
                client("/rooms/{roomId}/report"),
                self.room,
                body=ReportBody,
                section=section,
            ),
            route(
                "POST",
                client("/rooms/{roomId}/report/{eventId}"),
                self.event,
                body=EventReportBody,
                section=section,
            ),
            route(
                "POST",
                client("/users/{userId}/report"),
                self.user,
                body=ReportBody,
                section=section,
            ),
        ]

    async def room(self, request: Request, body: ReportBody) -> Answer:
        """``POST /rooms/{roomId}/report``"""
        room_id = parse_room_id(request.parameters["roomId"])
        await self._reports.room(request.user_id, room_id, body.reason)
        return EMPTY

    async def event(self, request: Request, body: EventReportBody) -> Answer:
        """``POST /rooms/{roomId}/report/{eventId}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        event_id = parse_event_id(request.parameters["eventId"])
        await self._reports.event(request.user_id, room_id, event_id, body.reason or "")
        return EMPTY

    async def user(self, request: Request, body: ReportBody) -> Answer:
        """``POST /users/{userId}/report``"""
        user_id = parse_user_id(request.parameters["userId"])
        await self._reports.user(request.user_id, user_id, body.reason)
        return EMPTY
