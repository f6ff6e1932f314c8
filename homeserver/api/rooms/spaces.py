"""The rooms of a space."""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.domain.identifiers import parse_room_id
from homeserver.domain.space_children import HasEvent
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route, unstable
from homeserver.services.rooms.room_hierarchy import HierarchyRequest, RoomHierarchy, SpaceRoom


class HierarchyQuery(msgspec.Struct):
    """The query of ``GET /rooms/{roomId}/hierarchy``."""

    suggested_only: bool = False
    limit: int | None = None
    max_depth: int | None = None
    from_: str | None = msgspec.field(default=None, name="from")


class SpacesApi:
    """Discovering rooms within spaces."""

    def __init__(self, hierarchy: RoomHierarchy) -> None:
        self._hierarchy = hierarchy

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        path = "/rooms/{roomId}/hierarchy"
        return [
            route(
                "GET",
                (*client(path, "v1"), *unstable(path, "org.matrix.msc2946")),
                self.hierarchy,
                access=Access.GUEST,
                rate=RateClass.SEARCH,
                section="Discovering rooms within spaces",
            )
        ]

    async def hierarchy(self, request: Request) -> Answer:
        """``GET /rooms/{roomId}/hierarchy``"""
        query = request.query_as(HierarchyQuery)
        page = await self._hierarchy.page(
            parse_room_id(request.parameters["roomId"]),
            request.user_id,
            HierarchyRequest(query.suggested_only, query.limit, query.max_depth, query.from_),
        )
        answer: dict[str, Any] = {"rooms": [_room(room) for room in page.rooms]}
        if page.next_batch is not None:
            answer["next_batch"] = page.next_batch
        return ok(answer)


def _room(room: SpaceRoom) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(room.summary)
    described["children_state"] = [_stripped(child) for child in room.children]
    return described


def _stripped(child: HasEvent) -> dict[str, Any]:
    """As "Stripped state", with the time that children are ordered by."""
    event = child.event
    return {
        "type": event.type,
        "state_key": event.state_key,
        "content": msgspec.Raw(event.raw_content),
        "sender": event.sender,
        "origin_server_ts": event.origin_server_ts,
    }
