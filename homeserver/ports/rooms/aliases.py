"""What the floors above ask of storage about the aliases of this server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import RoomAlias, RoomId, UserId


@attrs.frozen(slots=True)
class AliasRow:
    """An alias, the room it points to, and who made it."""

    alias: RoomAlias
    room_nid: int
    room_id: RoomId
    creator: UserId


@attrs.frozen(slots=True)
class NewAlias:
    """An alias to be made."""

    alias: RoomAlias
    room_nid: int
    creator: UserId
    created_ts: int


class AliasStore(Protocol):
    """The aliases that this server hosts."""

    async def find(self, aliases: Sequence[RoomAlias]) -> list[AliasRow]:
        """The aliases that exist among these."""
        ...

    async def of_room(self, room_nid: int) -> list[RoomAlias]:
        """The aliases of a room, in alphabetical order."""
        ...

    async def add(self, alias: NewAlias) -> None:
        """Make an alias. Raises UniqueViolation when it exists."""
        ...

    async def remove(self, alias: RoomAlias) -> bool:
        """Remove an alias; False when there is none."""
        ...

    async def move(self, from_room_nid: int, to_room_nid: int) -> None:
        """Let all aliases of one room point to another."""
        ...
