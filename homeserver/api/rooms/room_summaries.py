"""Summaries of rooms."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from homeserver.domain.identifiers import parse_server_name
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route, unstable
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.room_summaries import RoomSummaries

MOST_VIA: Final = 10
"""How many servers a client may name to ask about a room."""


class RoomSummariesApi:
    """Describing rooms to those who might join them."""

    def __init__(self, summaries: RoomSummaries, aliases: Aliases) -> None:
        self._summaries = summaries
        self._aliases = aliases

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                (
                    *client("/room_summary/{roomIdOrAlias}", "v1"),
                    *unstable("/summary/{roomIdOrAlias}", "im.nheko.summary"),
                    *unstable("/rooms/{roomIdOrAlias}/summary", "im.nheko.summary"),
                ),
                self.get,
                access=Access.OPTIONAL,
                rate=RateClass.SEARCH,
                section="Room Summaries",
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /room_summary/{roomIdOrAlias}``"""
        requester = request.requester_or_none
        via = [parse_server_name(server) for server in request.query.get("via", [])[:MOST_VIA]]
        found = await self._aliases.located(request.parameters["roomIdOrAlias"])
        seen = await self._summaries.of(
            found.room_id,
            requester.user_id if requester is not None else None,
            list(dict.fromkeys([*via, *found.servers])),
        )
        answer: dict[str, Any] = msgspec.to_builtins(seen.summary)
        if seen.membership is not None:
            answer["membership"] = seen.membership
        return ok(answer)
