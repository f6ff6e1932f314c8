"""Walking the tree of a space. Client-server API, "Discovering rooms within spaces"."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection

import attrs

from homeserver.domain.errors import Forbidden, InvalidParam
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.room_summary import RoomSummary, may_see_summary
from homeserver.domain.space_children import is_suggested, ordered_children
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.memberships import MembershipStore
from homeserver.ports.rooms.room_summaries import RoomSummaryStore

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_DEPTH = 50
# How many rooms of a tree are looked at, whatever a client asks for.
MAX_ROOMS = 5000

_TOKEN = re.compile(r"h([0-9]{1,9})_([0-9]{1,9})_([01])")


@attrs.frozen(slots=True)
class HierarchyRequest:
    """Which part of a tree a client asks for; ``since`` is the token of the page before."""

    suggested_only: bool = False
    limit: int | None = None
    max_depth: int | None = None
    since: str | None = None


@attrs.frozen(slots=True)
class SpaceRoom:
    """A room of the tree, with the events that name its children, in their order."""

    summary: RoomSummary
    children: list[StoredEvent]


@attrs.frozen(slots=True)
class HierarchyPage:
    """Some rooms of the tree, parents before their children."""

    rooms: list[SpaceRoom]
    next_batch: str | None


@attrs.frozen(slots=True)
class _Viewer:
    """Who looks at the tree, and what decides what they see."""

    user_id: UserId
    joined_rooms: Collection[RoomId]
    suggested_only: bool
    max_depth: int


class RoomHierarchy:
    """Lists the rooms below a space that a user may know of, as far as this server has them.

    A page is found by walking the tree again from its root: what is remembered between pages is
    how many rooms the client has seen, so nothing is kept for clients that never come back.
    """

    def __init__(self, summaries: RoomSummaryStore, memberships: MembershipStore) -> None:
        self._summaries = summaries
        self._memberships = memberships

    async def page(self, root: RoomId, user_id: UserId, request: HierarchyRequest) -> HierarchyPage:
        """A page of the tree below ``root``. Raises Forbidden when the user may not see that room,
        InvalidParam for a token that is none, or not of this request."""
        max_depth = MAX_DEPTH if request.max_depth is None else request.max_depth
        limit = DEFAULT_LIMIT if request.limit is None else request.limit
        if max_depth < 0 or limit < 1:
            raise InvalidParam("max_depth must not be negative, and limit must be positive")
        max_depth, limit = min(max_depth, MAX_DEPTH), min(limit, MAX_LIMIT)
        skip = _seen_before(request.since, max_depth, request.suggested_only)
        viewer = _Viewer(
            user_id,
            frozenset(await self._memberships.joined_rooms(user_id)),
            request.suggested_only,
            max_depth,
        )
        rooms: list[SpaceRoom] = []
        index = 0
        async for room in self._walk(root, viewer):
            if index >= skip + limit:
                token = f"h{index}_{max_depth}_{int(request.suggested_only)}"
                return HierarchyPage(rooms, token)
            if index >= skip:
                rooms.append(room)
            index += 1
        return HierarchyPage(rooms, None)

    async def _walk(self, root: RoomId, viewer: _Viewer) -> AsyncIterator[SpaceRoom]:
        """The rooms of the tree, depth first. A room that is met again is passed over."""
        visible = await self._visible([root], viewer)
        if root not in visible:
            raise Forbidden("You are not allowed to view this room")
        walked: set[RoomId] = set()
        ahead: list[tuple[int, RoomSummary]] = [(0, visible[root])]
        while ahead and len(walked) < MAX_ROOMS:
            depth, summary = ahead.pop()
            if summary.room_id in walked:
                continue
            walked.add(summary.room_id)
            children = await self._children(summary, viewer)
            yield SpaceRoom(summary, children)
            if depth < viewer.max_depth:
                room_ids = [RoomId(child.event.state_key or "") for child in children]
                below = await self._visible([r for r in room_ids if r not in walked], viewer)
                ahead += [
                    (depth + 1, below[room_id])
                    for room_id in reversed(room_ids)
                    if room_id in below
                ]

    async def _children(self, summary: RoomSummary, viewer: _Viewer) -> list[StoredEvent]:
        if not summary.is_space:
            return []
        children = ordered_children(await self._summaries.children(summary.room_id))
        if viewer.suggested_only:
            children = [child for child in children if is_suggested(child.event.content)]
        return children[:MAX_ROOMS]

    async def _visible(self, room_ids: list[RoomId], viewer: _Viewer) -> dict[RoomId, RoomSummary]:
        summaries = await self._summaries.summaries(room_ids)
        hidden = [
            room_id
            for room_id, summary in summaries.items()
            if room_id not in viewer.joined_rooms
            and not may_see_summary(summary, None, viewer.joined_rooms)
        ]
        theirs = await self._memberships.memberships(viewer.user_id, hidden)
        return {
            room_id: summary
            for room_id, summary in summaries.items()
            if room_id not in hidden
            or may_see_summary(summary, theirs.get(room_id), viewer.joined_rooms)
        }


def _seen_before(token: str | None, max_depth: int, suggested_only: bool) -> int:
    """How many rooms a client has seen that continues with this token."""
    if token is None:
        return 0
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidParam("Unknown pagination token")
    if (int(match[2]), match[3] == "1") != (max_depth, suggested_only):
        raise InvalidParam("suggested_only and max_depth cannot change on paginated requests")
    return int(match[1])
