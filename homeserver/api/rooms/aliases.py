"""Aliases of rooms."""

from __future__ import annotations

import msgspec

from homeserver.domain.identifiers import RoomAlias, parse_room_alias, parse_room_id
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, client, route, unstable
from homeserver.services.rooms.aliases import Aliases


class AliasBody(msgspec.Struct):
    """The body of ``PUT /directory/room/{roomAlias}``."""

    room_id: str


class AliasesApi:
    """The names of rooms on this server."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        alias = client("/directory/room/{roomAlias}")
        of_room = "/rooms/{roomId}/aliases"
        section = "Room aliases"
        return [
            route("GET", alias, self.get, access=Access.PUBLIC, section=section),
            route("PUT", alias, self.put, body=AliasBody, section=section),
            route("DELETE", alias, self.delete, section=section),
            route(
                "GET",
                (*client(of_room), *unstable(of_room, "org.matrix.msc2432")),
                self.of_room,
                section=section,
            ),
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /directory/room/{roomAlias}``"""
        found = await self._aliases.find(_alias(request))
        return ok({"room_id": found.room_id, "servers": found.servers})

    async def put(self, request: Request, body: AliasBody) -> Answer:
        """``PUT /directory/room/{roomAlias}``"""
        await self._aliases.add(request.requester, _alias(request), parse_room_id(body.room_id))
        return EMPTY

    async def delete(self, request: Request) -> Answer:
        """``DELETE /directory/room/{roomAlias}``"""
        await self._aliases.remove(request.requester, _alias(request))
        return EMPTY

    async def of_room(self, request: Request) -> Answer:
        """``GET /rooms/{roomId}/aliases``"""
        room_id = parse_room_id(request.parameters["roomId"])
        return ok({"aliases": await self._aliases.listed(request.user_id, room_id)})


def _alias(request: Request) -> RoomAlias:
    return parse_room_alias(request.parameters["roomAlias"])
