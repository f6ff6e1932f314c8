"""The directory of published rooms. Client-server API, "Published room directory"."""

from __future__ import annotations

import attrs

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import RoomId, ServerName, parse_server_name
from homeserver.domain.requester import Requester
from homeserver.domain.room_summary import RoomSummary
from homeserver.ports.federation.remote_directories import (
    NoRemoteDirectories,
    RemoteDirectories,
    RemoteListingQuery,
)
from homeserver.ports.rooms.published_rooms import DirectoryQuery, Place, PublishedRoomStore
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.rooms.aliases import require_manager

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


@attrs.frozen(slots=True)
class DirectoryRequest:
    """What a client asks of the directory.

    ``since`` is a token of an earlier listing. In ``room_types`` None stands for rooms without a
    type. ``server`` is whose directory is asked for; None is this server.
    """

    limit: int | None = None
    since: str | None = None
    search_term: str = ""
    room_types: tuple[str | None, ...] | None = None
    server: str | None = None


@attrs.frozen(slots=True)
class DirectoryListing:
    """A page of the directory, and the tokens of the pages next to it, where there are any."""

    rooms: list[RoomSummary]
    next_batch: str | None
    prev_batch: str | None
    total: int


class PublishedRooms:
    """Publishes rooms, and lists those that are."""

    def __init__(
        self,
        store: PublishedRoomStore,
        directory: RoomDirectory,
        server_name: ServerName,
        remote: RemoteDirectories | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._server_name = server_name
        self._remote = remote or NoRemoteDirectories()

    async def is_published(self, room_id: RoomId) -> bool:
        """Whether a room is listed. Raises NotFound."""
        return (await self._directory.by_id(room_id)).view.published

    async def set_published(
        self, requester: Requester, room_id: RoomId, *, published: bool
    ) -> None:
        """List a room or do not. Raises NotFound, and Forbidden unless the requester may say how
        the room is known."""
        actor = await self._directory.by_id(room_id)
        if not requester.is_admin:
            require_manager(actor, requester.user_id)
        await self._store.set_published(actor.view.nid, published)
        actor.view.published = published

    async def list(self, request: DirectoryRequest) -> DirectoryListing:
        """A page of the directory.

        Raises InvalidParam for a token that is none; for another server's directory also
        Forbidden, and UnableToRetrieve when that server does not answer.
        """
        limit = DEFAULT_LIMIT if request.limit is None else request.limit
        if request.server is not None and request.server != self._server_name:
            return await self._list_remote(parse_server_name(request.server), request, limit)
        after, backwards = _place(request.since)
        page = await self._store.page(
            DirectoryQuery(
                limit=max(1, min(limit, MAX_LIMIT)),
                search_term=request.search_term.strip(),
                room_types=(
                    None
                    if request.room_types is None
                    else tuple(room_type or "" for room_type in request.room_types)
                ),
                after=after,
                backwards=backwards,
            )
        )
        has_next = bool(page.rooms) and (page.more or backwards)
        has_previous = bool(page.rooms) and (page.more if backwards else after is not None)
        return DirectoryListing(
            rooms=[summary for _, summary in page.rooms],
            next_batch=_token("n", page.rooms[-1][0]) if has_next else None,
            prev_batch=_token("p", page.rooms[0][0]) if has_previous else None,
            total=page.total,
        )

    async def _list_remote(
        self, server: ServerName, request: DirectoryRequest, limit: int
    ) -> DirectoryListing:
        query = RemoteListingQuery(
            limit=max(1, min(limit, MAX_LIMIT)),
            since=request.since,
            search_term=request.search_term,
            room_types=request.room_types,
        )
        page = await self._remote.page(server, query)
        return DirectoryListing(
            [*page.rooms], page.next_batch, page.prev_batch, max(page.total, len(page.rooms))
        )


def _token(direction: str, place: Place) -> str:
    return f"{direction}{place[0]}_{place[1]}"


def _place(token: str | None) -> tuple[Place | None, bool]:
    """The place that a token names, and whether it leads backwards from there."""
    if token is None:
        return None, False
    members, _, nid = token[1:].partition("_")
    numbers = (members, nid)
    if token[:1] in ("n", "p") and all(
        n.isascii() and n.isdigit() and len(n) < 19 for n in numbers
    ):
        return (int(members), int(nid)), token[0] == "p"
    raise InvalidParam("Unknown pagination token")
