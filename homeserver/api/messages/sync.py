"""/sync."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec

from homeserver.domain.filters import CompiledFilter
from homeserver.domain.identifiers import UserId
from homeserver.http.answers import Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.sync.classic import ClassicSync
from homeserver.sync.rounds import SyncRequest

# A client may ask for more, but proxies cut connections that are silent for longer.
LONGEST_TIMEOUT_MS = 120_000


class SyncQuery(msgspec.Struct):
    """Query of /sync."""

    filter: str | None = None
    since: str | None = None
    full_state: bool = False
    set_presence: Literal["offline", "online", "unavailable"] = "online"
    timeout: int = 0
    use_state_after: bool = False


class PresenceNotes(Protocol):
    """Who wants to know that a user syncs."""

    def note_sync(
        self, user_id: UserId, set_presence: str, device_id: str, lasting_ms: int
    ) -> None:
        """A device of a user syncs with this ``set_presence`` and may wait that long."""
        ...


class SyncApi:
    """The main loop of every client."""

    def __init__(
        self,
        sync: ClassicSync,
        compiled_filter: Callable[[UserId, str | None], Awaitable[CompiledFilter]],
        presence: PresenceNotes,
    ) -> None:
        self._sync = sync
        self._compiled_filter = compiled_filter
        self._presence = presence

    def routes(self) -> list[Route]:
        """The operations of this area."""
        return [
            route(
                "GET",
                client("/sync"),
                self.sync,
                access=Access.GUEST,
                rate=RateClass.SYNC,
                section="GET /sync",
            )
        ]

    async def sync(self, request: Request) -> Answer:
        """What is new for the user since a token."""
        query = request.query_as(SyncQuery)
        definition = await self._compiled_filter(request.user_id, query.filter)
        timeout_ms = min(max(query.timeout, 0), LONGEST_TIMEOUT_MS)
        self._presence.note_sync(
            request.user_id, query.set_presence, request.device_id or "", timeout_ms
        )
        body = await self._sync.sync(
            SyncRequest(
                user_id=request.user_id,
                device_id=request.device_id,
                since=query.since or None,
                timeout_ms=timeout_ms,
                filter=definition,
                full_state=query.full_state,
                use_state_after=query.use_state_after,
            )
        )
        return Answer(body)
