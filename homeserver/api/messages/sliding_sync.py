"""Simplified sliding sync, under its stable path and under the one that shipped clients call.

MSC4186, "API" and "Unstable prefix".
"""

from __future__ import annotations

from typing import Final

import msgspec

from homeserver.api.messages.sync import LONGEST_TIMEOUT_MS, PresenceNotes
from homeserver.domain.errors import InvalidParam
from homeserver.http.answers import Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route, unstable
from homeserver.sync.sliding.requests import Asked, Shape, SlidingBody
from homeserver.sync.sliding.sliding import SlidingSync

PRESENCE_STATES: Final = ("offline", "online", "unavailable")


class SlidingQuery(msgspec.Struct):
    """Query of the unstable form; the stable one has these in its body."""

    pos: str | None = None
    timeout: int = 0
    set_presence: str = "online"


class SlidingSyncApi:
    """The main loop of clients that look at a window of their rooms."""

    def __init__(self, sync: SlidingSync, presence: PresenceNotes) -> None:
        self._sync = sync
        self._presence = presence

    def routes(self) -> list[Route]:
        """The operations of this area."""
        return [
            route(
                "POST",
                client("/sync", "v4"),
                self.sync,
                body=SlidingBody,
                access=Access.GUEST,
                rate=RateClass.SYNC,
                section="MSC4186",
            ),
            route(
                "POST",
                unstable("/sync", Shape.UNSTABLE.value),
                self.sync_unstable,
                body=SlidingBody,
                access=Access.GUEST,
                rate=RateClass.SYNC,
                section="MSC4186",
            ),
        ]

    async def sync(self, request: Request, body: SlidingBody) -> Answer:
        """What is new on a connection since a position."""
        asked = SlidingQuery(body.pos, body.timeout, body.set_presence)
        return await self._answer(request, body, Shape.STABLE, asked)

    async def sync_unstable(self, request: Request, body: SlidingBody) -> Answer:
        """The same in the form that came before the proposal was settled."""
        return await self._answer(request, body, Shape.UNSTABLE, request.query_as(SlidingQuery))

    async def _answer(
        self, request: Request, body: SlidingBody, shape: Shape, asked: SlidingQuery
    ) -> Answer:
        if asked.set_presence not in PRESENCE_STATES:
            raise InvalidParam("set_presence is not a presence state")
        timeout_ms = min(max(asked.timeout, 0), LONGEST_TIMEOUT_MS)
        self._presence.note_sync(
            request.user_id, asked.set_presence, request.device_id or "", timeout_ms
        )
        return Answer(
            await self._sync.sync(
                Asked(
                    user_id=request.user_id,
                    device_id=request.device_id,
                    shape=shape,
                    body=body,
                    pos=asked.pos,
                    timeout_ms=timeout_ms,
                )
            )
        )
