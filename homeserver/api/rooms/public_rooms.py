"""The directory of published rooms."""

from __future__ import annotations

from typing import Literal

import msgspec

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import parse_room_id
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.services.rooms.published_rooms import (
    DirectoryListing,
    DirectoryRequest,
    PublishedRooms,
)


class PublicRoomsQuery(msgspec.Struct):
    """The query of ``GET /publicRooms``."""

    limit: int | None = None
    since: str | None = None
    server: str | None = None


class DirectoryFilterBody(msgspec.Struct):
    """The filter of ``POST /publicRooms``."""

    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class PublicRoomsBody(msgspec.Struct):
    """The body of ``POST /publicRooms``."""

    limit: int | None = None
    since: str | None = None
    filter: DirectoryFilterBody | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


class VisibilityBody(msgspec.Struct):
    """The body of ``PUT /directory/list/room/{roomId}``."""

    visibility: Literal["public", "private"] = "public"


class PublicRoomsApi:
    """Listing rooms for everybody to find."""

    def __init__(self, rooms: PublishedRooms) -> None:
        self._rooms = rooms

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        visibility = client("/directory/list/room/{roomId}")
        section = "Published room directory"
        return [
            route("GET", visibility, self.get_visibility, access=Access.PUBLIC, section=section),
            route("PUT", visibility, self.set_visibility, body=VisibilityBody, section=section),
            route(
                "GET",
                client("/publicRooms"),
                self.list,
                access=Access.OPTIONAL,
                rate=RateClass.SEARCH,
                section=section,
            ),
            route(
                "POST",
                client("/publicRooms"),
                self.search,
                body=PublicRoomsBody,
                access=Access.GUEST,
                rate=RateClass.SEARCH,
                section=section,
            ),
        ]

    async def get_visibility(self, request: Request) -> Answer:
        """``GET /directory/list/room/{roomId}``"""
        published = await self._rooms.is_published(parse_room_id(request.parameters["roomId"]))
        return ok({"visibility": "public" if published else "private"})

    async def set_visibility(self, request: Request, body: VisibilityBody) -> Answer:
        """``PUT /directory/list/room/{roomId}``"""
        await self._rooms.set_published(
            request.requester,
            parse_room_id(request.parameters["roomId"]),
            published=body.visibility == "public",
        )
        return EMPTY

    async def list(self, request: Request) -> Answer:
        """``GET /publicRooms``"""
        query = request.query_as(PublicRoomsQuery)
        wanted = DirectoryRequest(limit=query.limit, since=query.since, server=query.server)
        return _listing(await self._rooms.list(wanted))

    async def search(self, request: Request, body: PublicRoomsBody) -> Answer:
        """``POST /publicRooms``"""
        if body.third_party_instance_id is not None:
            if body.include_all_networks:
                raise InvalidParam(
                    "third_party_instance_id and include_all_networks exclude each other"
                )
            # No bridge publishes rooms of its network here.
            return _listing(DirectoryListing([], None, None, 0))
        wanted = body.filter or DirectoryFilterBody()
        types = wanted.room_types
        return _listing(
            await self._rooms.list(
                DirectoryRequest(
                    limit=body.limit,
                    since=body.since,
                    search_term=wanted.generic_search_term or "",
                    room_types=tuple(types) if types is not None else None,
                    server=request.query_value("server"),
                )
            )
        )


def _listing(listing: DirectoryListing) -> Answer:
    answer: dict[str, object] = {
        "chunk": listing.rooms,
        "total_room_count_estimate": listing.total,
    }
    if listing.next_batch is not None:
        answer["next_batch"] = listing.next_batch
    if listing.prev_batch is not None:
        answer["prev_batch"] = listing.prev_batch
    return ok(answer)
