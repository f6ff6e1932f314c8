"""``/_myelin/admin/v1/rooms``: the state of rooms, for operators."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from homeserver.api.admin.room_json import check_body, event_body, room_body
from homeserver.domain.identifiers import RoomId, parse_event_id, parse_room_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, route
from homeserver.ports.rooms.states import RoomStateStore
from homeserver.services.admin.room_check import CheckReport, RoomCheck
from homeserver.services.admin.room_inspection import RoomInspection
from homeserver.services.admin.room_rebuild import RoomRebuild

_ROOM: Final = "/_myelin/admin/v1/rooms/{roomId}"
_SECTION: Final = "Looking after federation"


class RebuildBody(msgspec.Struct):
    """Whether to mend the room; otherwise it is only told what would be done."""

    apply: bool = False


class RoomsAdminApi:
    """Looking at the state of rooms, checking and mending it."""

    def __init__(
        self,
        inspection: RoomInspection,
        check: RoomCheck,
        rebuild: RoomRebuild,
        store: RoomStateStore,
    ) -> None:
        self._inspection = inspection
        self._check = check
        self._rebuild = rebuild
        self._store = store

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route("GET", (_ROOM,), self.inspect, access=Access.ADMIN, section=_SECTION),
            route("GET", (f"{_ROOM}/check",), self.check, access=Access.ADMIN, section=_SECTION),
            route(
                "POST",
                (f"{_ROOM}/rebuild",),
                self.rebuild,
                body=RebuildBody,
                access=Access.ADMIN,
                section=_SECTION,
            ),
        ]

    async def inspect(self, request: Request) -> Answer:
        """``GET /rooms/{roomId}``, of one event with ``?event=``"""
        room_id, event = _room_id(request), request.query_value("event")
        if event is None:
            return ok(room_body(await self._inspection.room(room_id)))
        return ok(event_body(await self._inspection.event(room_id, parse_event_id(event))))

    async def check(self, request: Request) -> Answer:
        """``GET /rooms/{roomId}/check``"""
        return ok(await self._body(await self._check.run(_room_id(request))))

    async def rebuild(self, request: Request, body: RebuildBody) -> Answer:
        """``POST /rooms/{roomId}/rebuild``"""
        report = await self._rebuild.run(_room_id(request), apply=body.apply)
        return ok({**await self._body(report.check), "event_id": report.event_id})

    async def _body(self, report: CheckReport) -> dict[str, Any]:
        return check_body(report, await self._store.ids(_nids(report)))


def _room_id(request: Request) -> RoomId:
    return parse_room_id(request.parameters["roomId"])


def _nids(report: CheckReport) -> Collection[int]:
    """The numbers of the events that a report names."""
    nids: set[int | None] = set()
    for place in report.places:
        nids |= {place.replayed, place.stored, place.resolved, place.in_memory}
    for member in report.memberships:
        for record in (member.replayed, member.table, member.in_memory):
            nids.add(record.event_nid if record is not None else None)
    return {nid for nid in nids if nid is not None}
