"""Spaces: a room and its children, as far as the asking server could get into them.

Server-server API, "Spaces".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import attrs
import msgspec

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import RoomId, ServerName, parse_room_id
from homeserver.domain.room_summary import RoomSummary, may_see_summary
from homeserver.domain.space_children import is_suggested, ordered_children
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.federation.servers_in_rooms import ServersInRooms
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.room_summaries import RoomSummaryStore

MOST_CHILDREN: Final = 500
"""How many children of a space are described."""


class HierarchyQuery(msgspec.Struct):
    """The query of /hierarchy."""

    suggested_only: bool = False


@attrs.frozen
class _Visible:
    """Rooms that this server is in, and which of them the asking server could get into."""

    summaries: dict[RoomId, RoomSummary]
    accessible: set[RoomId]


class SpacesApi:
    """Describes rooms to servers that could get into them."""

    def __init__(
        self, summaries: RoomSummaryStore, rooms: ServersInRooms, own_name: ServerName
    ) -> None:
        self._summaries = summaries
        self._rooms = rooms
        self._own_name = own_name

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                ("/_matrix/federation/v1/hierarchy/{roomId}",),
                self.get,
                section="Spaces",
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/hierarchy/{roomId}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        suggested_only = request.query_as(HierarchyQuery).suggested_only
        root = await self._visible(request.origin, [room_id])
        if room_id not in root.accessible:
            raise NotFound("Room does not exist")
        events = await self._children(root.summaries[room_id], suggested_only)
        child_ids = [RoomId(child.event.state_key or "") for child in events]
        children = await self._visible(request.origin, child_ids)
        described: dict[str, Any] = msgspec.to_builtins(root.summaries[room_id])
        described["children_state"] = [_stripped(child) for child in events]
        return ok(
            {
                "room": described,
                "children": [children.summaries[r] for r in child_ids if r in children.accessible],
                "inaccessible_children": [
                    r for r in child_ids if r in children.summaries and r not in children.accessible
                ],
            }
        )

    async def _children(self, summary: RoomSummary, suggested_only: bool) -> list[StoredEvent]:
        if not summary.is_space:
            return []
        children = ordered_children(await self._summaries.children(summary.room_id))
        if suggested_only:
            children = [child for child in children if is_suggested(child.event.content)]
        return children[:MOST_CHILDREN]

    async def _visible(self, origin: ServerName, room_ids: Sequence[RoomId]) -> _Visible:
        here = await self._rooms.joined(self._own_name, room_ids)
        summaries = await self._summaries.summaries(list(here))
        asked_for: set[RoomId] = {*here}
        for summary in summaries.values():
            asked_for.update(summary.allowed_room_ids)
        joined = await self._rooms.joined(origin, asked_for)
        invited = await self._rooms.invited(origin, here)
        accessible = {
            room_id
            for room_id, summary in summaries.items()
            if _is_accessible(summary, joined, invited)
        }
        return _Visible(summaries, accessible)


def _is_accessible(
    summary: RoomSummary, joined: Collection[RoomId], invited: Collection[RoomId]
) -> bool:
    """Whether one of the users of a server, who are joined and invited there, could get in."""
    if summary.room_id in joined or summary.room_id in invited:
        return True
    return may_see_summary(summary, None, joined)


def _stripped(child: StoredEvent) -> dict[str, Any]:
    """As "Stripped state", with the time that children are ordered by."""
    event = child.event
    return {
        "type": event.type,
        "state_key": event.state_key,
        "content": msgspec.Raw(event.raw_content),
        "sender": event.sender,
        "origin_server_ts": event.origin_server_ts,
    }
