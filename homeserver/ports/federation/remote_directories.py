"""What listing rooms asks of the federation: the directories of other servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.errors import UnableToRetrieve
from homeserver.domain.identifiers import ServerName
from homeserver.domain.room_summary import RoomSummary


@attrs.frozen(slots=True)
class RemoteListingQuery:
    """What to list. ``since`` is a token of that server; in ``room_types`` None stands for rooms
    without a type."""

    limit: int
    since: str | None = None
    search_term: str = ""
    room_types: tuple[str | None, ...] | None = None


@attrs.frozen(slots=True)
class RemoteListing:
    """A page of the directory of another server."""

    rooms: Sequence[RoomSummary]
    next_batch: str | None
    prev_batch: str | None
    total: int


class RemoteDirectories(Protocol):
    """The directories of published rooms of other servers."""

    async def page(self, server: ServerName, query: RemoteListingQuery) -> RemoteListing:
        """A page of the directory of a server.

        Raises Forbidden, and UnableToRetrieve when the server does not answer.
        """
        ...


class NoRemoteDirectories:
    """A server that asks nobody."""

    async def page(self, server: ServerName, query: RemoteListingQuery) -> RemoteListing:
        """See :class:`RemoteDirectories`."""
        raise UnableToRetrieve(f"The directory of {server} cannot be reached")
