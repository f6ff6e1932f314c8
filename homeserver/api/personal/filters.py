"""Filters.

Client-server API, "Filtering".
"""

from __future__ import annotations

from homeserver.api.accounts.own_user import own_user_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route
from homeserver.services.personal.filters import Filters

_SECTION = "Filtering"


class FiltersApi:
    """Filters that clients upload to name them afterwards."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route("POST", client("/user/{userId}/filter"), self.define, section=_SECTION),
            route("GET", client("/user/{userId}/filter/{filterId}"), self.get, section=_SECTION),
        ]

    async def define(self, request: Request) -> Answer:
        """``POST /user/{userId}/filter``"""
        user_id = own_user_id(request)
        return ok({"filter_id": await self._filters.define(user_id, request.body_object())})

    async def get(self, request: Request) -> Answer:
        """``GET /user/{userId}/filter/{filterId}``"""
        user_id = own_user_id(request)
        return Answer(await self._filters.definition(user_id, request.parameters["filterId"]))
