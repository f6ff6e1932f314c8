"""Which rooms users are in, and with whom."""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.domain.identifiers import parse_room_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import RateClass, Route, client, route, unstable
from homeserver.services.rooms.user_rooms import UserRooms


class MutualRoomsQuery(msgspec.Struct):
    """The query of ``GET /mutual_rooms``."""

    user_id: str
    from_: str | None = msgspec.field(default=None, name="from")


class UserRoomsApi:
    """Rooms of users, and users of rooms."""

    def __init__(self, rooms: UserRooms) -> None:
        self._rooms = rooms

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route("GET", client("/joined_rooms"), self.joined_rooms, section="Room membership"),
            route(
                "GET",
                client("/rooms/{roomId}/joined_members"),
                self.joined_members,
                section="Getting events for a room",
            ),
            route(
                "GET",
                (
                    *client("/mutual_rooms", "v1"),
                    *unstable("/user/mutual_rooms", "uk.half-shot.msc2666"),
                ),
                self.mutual_rooms,
                rate=RateClass.SEARCH,
                section="Mutual Rooms",
            ),
        ]

    async def joined_rooms(self, request: Request) -> Answer:
        """``GET /joined_rooms``"""
        return ok({"joined_rooms": await self._rooms.joined(request.user_id)})

    async def joined_members(self, request: Request) -> Answer:
        """``GET /rooms/{roomId}/joined_members``"""
        room_id = parse_room_id(request.parameters["roomId"])
        joined = {}
        for user_id, profile in (await self._rooms.members(request.user_id, room_id)).items():
            shown = {"display_name": profile.displayname, "avatar_url": profile.avatar_url}
            joined[user_id] = {name: value for name, value in shown.items() if value is not None}
        return ok({"joined": joined})

    async def mutual_rooms(self, request: Request) -> Answer:
        """``GET /mutual_rooms``"""
        query = request.query_as(MutualRoomsQuery)
        page = await self._rooms.mutual(request.user_id, query.user_id, query.from_)
        answer: dict[str, Any] = {"joined": page.room_ids, "count": page.total}
        if page.next_batch is not None:
            answer["next_batch"] = page.next_batch
        return ok(answer)
