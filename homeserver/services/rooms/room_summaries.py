"""Summaries of rooms for whoever might want to join them.

Client-server API, "Room Summaries".
"""

from __future__ import annotations

import attrs

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.room_summary import RoomSummary, may_see_summary
from homeserver.ports.rooms.memberships import MembershipStore
from homeserver.ports.rooms.room_summaries import RoomSummaryStore


@attrs.frozen(slots=True)
class SeenSummary:
    """A summary, and what the user who sees it is to the room; None for who has no account."""

    summary: RoomSummary
    membership: str | None


class RoomSummaries:
    """Describes rooms to those who may know of them."""

    def __init__(self, summaries: RoomSummaryStore, memberships: MembershipStore) -> None:
        self._summaries = summaries
        self._memberships = memberships

    async def of(self, room_id: RoomId, user_id: UserId | None) -> SeenSummary:
        """The summary of a room. Raises NotFound, also when the user may not see it."""
        summary = (await self._summaries.summaries([room_id])).get(room_id)
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
