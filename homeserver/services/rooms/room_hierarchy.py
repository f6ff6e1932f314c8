"""Walking the tree of a space. Client-server API, "Discovering rooms within spaces"."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from itertools import islice

import attrs
from twisted.internet.defer import Deferred

from homeserver.domain.errors import Forbidden, InvalidParam
from homeserver.domain.identifiers import RoomId, ServerName, UserId, is_server_name
from homeserver.domain.room_summary import RoomSummary, may_see_summary
from homeserver.domain.space_children import HasEvent, is_suggested, ordered_children
from homeserver.ports.federation.remote_spaces import NoRemoteSpaces, RemoteSpace, RemoteSpaces
from homeserver.ports.rooms.memberships import MembershipStore
from homeserver.ports.rooms.room_summaries import RoomSummaryStore

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_DEPTH = 50
# How many rooms of a tree are looked at, whatever a client asks for.
MAX_ROOMS = 5000
# How many rooms others are asked about for a page, how many of them at once, and how many servers
# about each.
MAX_ASKED = 200
ASKED_AT_ONCE = 10
MAX_VIA = 10

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
    children: Sequence[HasEvent]


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

    def may_see(self, summary: RoomSummary, membership: str | None = None) -> bool:
        """Whether the user may see a room of which they have this membership."""
        if summary.room_id in self.joined_rooms:
            return True
        return may_see_summary(summary, membership, self.joined_rooms)


@attrs.frozen(slots=True)
class _Step:
    """A room to look at. ``summary`` is None where others are yet to be asked for it."""

    depth: int
    room_id: RoomId
    via: tuple[ServerName, ...]
    is_elsewhere: bool
    summary: RoomSummary | None
    membership: str | None


class RoomHierarchy:
    """Lists the rooms below a space that a user may know of, as far as this server has them or
    others tell of them.

    A page is found by walking the tree again from its root: what is remembered between pages is
    how many rooms the client has seen, so nothing is kept for clients that never come back.
    """

    def __init__(
        self,
        summaries: RoomSummaryStore,
        memberships: MembershipStore,
        remote: RemoteSpaces | None = None,
    ) -> None:
        self._summaries = summaries
        self._memberships = memberships
        self._remote = remote or NoRemoteSpaces()

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
        walked: set[RoomId] = set()
        ahead = await self._steps([(root, ())], 0, viewer, {})
        asked = 0
        while ahead and len(walked) < MAX_ROOMS:
            step = ahead.pop()
            if step.room_id in walked:
                continue
            told: RemoteSpace | None = None
            if step.is_elsewhere and _says_more(step):
                asked += 1
                if asked > MAX_ASKED:
                    continue
                await self._ask_ahead([step, *reversed(ahead)])
                told = await self._remote.space(step.room_id, step.via)
            summary = told.summary if told is not None else step.summary
            if summary is None or not viewer.may_see(summary, step.membership):
                continue
            walked.add(summary.room_id)
            children = await self._children(summary, told, step, viewer)
            yield SpaceRoom(summary, children)
            if step.depth < viewer.max_depth:
                named = [
                    (RoomId(child.event.state_key or ""), _via(child))
                    for child in children
                    if child.event.state_key not in walked
                ]
                known = told.children if told is not None else {}
                ahead += reversed(await self._steps(named, step.depth + 1, viewer, known))
        if not walked:
            raise Forbidden("You are not allowed to view this room")

    async def _steps(
        self,
        named: Sequence[tuple[RoomId, tuple[ServerName, ...]]],
        depth: int,
        viewer: _Viewer,
        known: Mapping[RoomId, RoomSummary],
    ) -> list[_Step]:
        """What is to be looked at next: rooms that are here and seen, and those others know of."""
        room_ids = [room_id for room_id, _ in named]
        elsewhere = await self._remote.elsewhere(room_ids)
        here = await self._summaries.summaries([r for r in room_ids if r not in elsewhere])
        found = {**here, **{r: s for r, s in known.items() if r in elsewhere}}
        doubtful = [
            room_id
            for room_id in room_ids
            if room_id in elsewhere or (room_id in found and not viewer.may_see(found[room_id]))
        ]
        theirs = await self._memberships.memberships(viewer.user_id, doubtful)
        return [
            _Step(
                depth,
                room_id,
                via,
                room_id in elsewhere,
                found.get(room_id),
                "join" if room_id in viewer.joined_rooms else theirs.get(room_id),
            )
            for room_id, via in named
            if room_id in found or room_id in elsewhere
        ]

    async def _ask_ahead(self, steps: Iterable[_Step]) -> None:
        """Ask about the next few rooms at once; what was answered is remembered for a while."""
        next_ones = (step for step in steps if step.is_elsewhere and _says_more(step))
        asking = [
            Deferred.fromCoroutine(self._remote.space(step.room_id, step.via))
            for step in islice(next_ones, ASKED_AT_ONCE)
        ]
        for answer in asking:
            await answer

    async def _children(
        self, summary: RoomSummary, told: RemoteSpace | None, step: _Step, viewer: _Viewer
    ) -> Sequence[HasEvent]:
        if not summary.is_space:
            return []
        children: Sequence[HasEvent]
        if step.is_elsewhere:
            children = ordered_children(told.children_state if told is not None else ())
        else:
            children = ordered_children(await self._summaries.children(summary.room_id))
        if viewer.suggested_only:
            children = [child for child in children if is_suggested(child.event.content)]
        return children[:MAX_ROOMS]


def _says_more(step: _Step) -> bool:
    """Whether there is more to ask about a room than is known: all, or its children."""
    return step.summary is None or step.summary.is_space


def _via(child: HasEvent) -> tuple[ServerName, ...]:
    """The servers by which a child can be joined."""
    servers = child.event.content["via"][:MAX_VIA]
    return tuple(ServerName(server) for server in servers if is_server_name(server))


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
