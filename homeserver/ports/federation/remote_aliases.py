"""What finding rooms by their aliases asks of the federation: aliases of other servers."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import RoomAlias, RoomId, ServerName


@attrs.frozen(slots=True)
class FoundRoom:
    """A room, and the servers through which it can be joined, best first."""

    room_id: RoomId
    servers: tuple[ServerName, ...] = ()


class RemoteAliases(Protocol):
    """The aliases of other servers."""

    async def find(self, alias: RoomAlias) -> FoundRoom:
        """The room that an alias of another server points to.

        Raises NotFound, Forbidden, and UnableToRetrieve when the server does not answer.
        """
        ...


class NoRemoteAliases:
    """A server that asks nobody."""

    async def find(self, alias: RoomAlias) -> FoundRoom:
        """See :class:`RemoteAliases`."""
        raise NotFound(f"Room alias {alias} not found")
