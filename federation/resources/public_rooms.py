"""The directory of this server's published rooms.

Server-server API, "Published Room Directory".
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from homeserver.domain.errors import InvalidParam
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.services.rooms.published_rooms import (
    MAX_LIMIT,
    DirectoryListing,
    DirectoryRequest,
    PublishedRooms,
)

_SECTION = "Published Room Directory"

Limit = Annotated[int, msgspec.Meta(ge=0)]


class _Asked(msgspec.Struct, kw_only=True):
    """``limit`` 0 sets none, though this server has one of its own."""

    limit: Limit = 0
    since: str | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


class ListingFilter(msgspec.Struct):
    """The filter of ``POST /publicRooms``."""

    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class ListingBody(_Asked, kw_only=True):
    """The body of ``POST /publicRooms``."""

    filter: ListingFilter | None = None


class ListingQuery(_Asked, kw_only=True):
    """The query of ``GET /publicRooms``."""


class PublicRoomsApi:
    """Lists rooms for other servers."""

    def __init__(self, rooms: PublishedRooms) -> None:
        self._rooms = rooms

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        path = ("/_matrix/federation/v1/publicRooms",)
        return [
            route(
                "GET",
                path,
                self.list,
                section=_SECTION,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            ),
            route(
                "POST",
                path,
                self.search,
                body=ListingBody,
                section=_SECTION,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            ),
        ]

    async def list(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/publicRooms``"""
        return await self._listed(request.query_as(ListingQuery), ListingFilter())

    async def search(self, request: Request, body: ListingBody) -> Answer:
        """``POST /_matrix/federation/v1/publicRooms``"""
        return await self._listed(body, body.filter or ListingFilter())

    async def _listed(self, asked: _Asked, wanted: ListingFilter) -> Answer:
        if asked.third_party_instance_id is not None:
            if asked.include_all_networks:
                raise InvalidParam(
                    "third_party_instance_id and include_all_networks exclude each other"
                )
            # No bridge publishes rooms of its network here.
            return _listing(DirectoryListing([], None, None, 0))
        types = wanted.room_types
        return _listing(
            await self._rooms.list(
                DirectoryRequest(
                    limit=asked.limit or MAX_LIMIT,
                    since=asked.since,
                    search_term=wanted.generic_search_term or "",
                    room_types=tuple(types) if types is not None else None,
                )
            )
        )


def _listing(listing: DirectoryListing) -> Answer:
    tokens = {"next_batch": listing.next_batch, "prev_batch": listing.prev_batch}
    return ok(
        {
            "chunk": listing.rooms,
            "total_room_count_estimate": listing.total,
            **{name: token for name, token in tokens.items() if token is not None},
        }
    )
