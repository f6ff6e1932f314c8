"""Summaries of rooms for whoever might want to join them.

Client-server API, "Room Summaries".
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import RoomId, ServerName, UserId
from homeserver.domain.room_summary import RoomSummary, may_see_summary
from homeserver.ports.federation.remote_spaces import NoRemoteSpaces, RemoteSpaces
from homeserver.ports.rooms.memberships import MembershipStore
from homeserver.ports.rooms.room_summaries import RoomSummaryStore


@attrs.frozen(slots=True)
class SeenSummary:
    """A summary, and what the user who sees it is to the room; None for who has no account."""

    summary: RoomSummary
    membership: str | None


class RoomSummaries:
    """Describes rooms to those who may know of them."""

    def __init__(
        self,
        summaries: RoomSummaryStore,
        memberships: MembershipStore,
        remote: RemoteSpaces | None = None,
    ) -> None:
        self._summaries = summaries
        self._memberships = memberships
        self._remote = remote or NoRemoteSpaces()

    async def of(
        self, room_id: RoomId, user_id: UserId | None, via: Sequence[ServerName] = ()
    ) -> SeenSummary:
        """The summary of a room. Raises NotFound, also when the user may not see it.

        About a room that this server is not in the servers ``via`` are asked, but not for somebody
        without an account.
        """
        summary = await self._summary(room_id, user_id, via)
        if summary is None:
            raise NotFound("Room not found")
        theirs: dict[RoomId, str] = {}
        if user_id is not None:
            theirs = await self._memberships.memberships(
                user_id, [room_id, *summary.allowed_room_ids]
            )
        joined = {room for room, membership in theirs.items() if membership == "join"}
        if not may_see_summary(summary, theirs.get(room_id), joined):
            raise NotFound("Room not found")
        return SeenSummary(summary, theirs.get(room_id, "leave") if user_id is not None else None)

    async def _summary(
        self, room_id: RoomId, user_id: UserId | None, via: Sequence[ServerName]
    ) -> RoomSummary | None:
        if user_id is not None and room_id in await self._remote.elsewhere([room_id]):
            told = await self._remote.space(room_id, via)
            return told.summary if told is not None else None
        return (await self._summaries.summaries([room_id])).get(room_id)
