"""What other servers want to know of this server's users and aliases.

Server-server API, "Querying for information".
"""

from __future__ import annotations

import msgspec

from homeserver.domain.errors import Unrecognized
from homeserver.domain.identifiers import parse_room_alias, parse_user_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.services.personal.profiles import Profiles
from homeserver.services.rooms.aliases import Aliases


class ProfileQuery(msgspec.Struct):
    """The query of /query/profile."""

    user_id: str
    field: str | None = None


class DirectoryQuery(msgspec.Struct):
    """The query of /query/directory."""

    room_alias: str


class QueriesApi:
    """Profiles and aliases."""

    def __init__(self, profiles: Profiles, aliases: Aliases) -> None:
        self._profiles = profiles
        self._aliases = aliases

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        queries = (
            ("profile", self.profile),
            ("directory", self.directory),
            ("{queryType}", self.unknown),
        )
        return [
            route(
                "GET",
                (f"/_matrix/federation/v1/query/{kind}",),
                handler,
                section="Querying for information",
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            )
            for kind, handler in queries
        ]

    async def profile(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/query/profile``: what is not set is left out."""
        query = request.query_as(ProfileQuery)
        fields = await self._profiles.local_fields(parse_user_id(query.user_id))
        if query.field is not None:
            fields = {name: value for name, value in fields.items() if name == query.field}
        return ok(fields)

    async def directory(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/query/directory``"""
        alias = parse_room_alias(request.query_as(DirectoryQuery).room_alias)
        found = await self._aliases.find_local(alias)
        return ok({"room_id": found.room_id, "servers": found.servers})

    async def unknown(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/query/{queryType}``: there are no other queries."""
        raise Unrecognized("Unknown kind of query")
