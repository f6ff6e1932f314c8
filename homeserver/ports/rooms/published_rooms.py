"""What the floors above ask of storage about the directory of published rooms."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.room_summary import RoomSummary

Place = tuple[int, int]
"""Where a room stands in the directory: (joined members, number of the room)."""


@attrs.frozen(slots=True)
class DirectoryQuery:
    """Which published rooms to list.

    ``search_term`` is to occur in a room's name, topic or canonical alias, whatever the case.
    ``room_types`` None takes rooms of any type; an empty string stands for rooms without a type.
    ``after`` is the place where the page before ended, or with ``backwards`` the page after began.
    """

    limit: int
    search_term: str = ""
    room_types: tuple[str, ...] | None = None
    after: Place | None = None
    backwards: bool = False


@attrs.frozen(slots=True)
class DirectoryPage:
    """A page of the directory, the rooms with most members first.

    ``total`` counts the rooms on all pages; ``more`` says whether rooms follow in the direction
    that was asked for.
    """

    rooms: list[tuple[Place, RoomSummary]]
    total: int
    more: bool


class PublishedRoomStore(Protocol):
    """The rooms that are listed in the directory."""

    async def page(self, query: DirectoryQuery) -> DirectoryPage:
        """One page of the directory."""
        ...

    async def set_published(self, room_nid: int, published: bool) -> None:
        """List a room in the directory, or do not."""
        ...
