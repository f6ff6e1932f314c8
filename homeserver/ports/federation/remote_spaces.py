"""What describing rooms asks of the federation: rooms that this server is not in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId, ServerName
from homeserver.domain.room_summary import RoomSummary


@attrs.frozen(slots=True)
class ToldChild:
    """An `m.space.child` event as another server tells of it; ``raw_content`` is its content in
    JSON."""

    type: str
    state_key: str
    content: JsonObject
    raw_content: bytes
    sender: str
    origin_server_ts: int

    @property
    def event(self) -> ToldChild:
        """See :class:`homeserver.domain.space_children.HasEvent`."""
        return self


@attrs.frozen(slots=True)
class RemoteSpace:
    """A room as another server describes it, with those of its children that it can describe."""

    summary: RoomSummary
    children_state: Sequence[ToldChild] = ()
    children: Mapping[RoomId, RoomSummary] = {}
    inaccessible: frozenset[RoomId] = frozenset()


class RemoteSpaces(Protocol):
    """Rooms that others describe."""

    async def elsewhere(self, room_ids: Collection[RoomId]) -> set[RoomId]:
        """Those of some rooms that this server is not in, so that others are to be asked."""
        ...

    async def space(self, room_id: RoomId, via: Sequence[ServerName]) -> RemoteSpace | None:
        """A room as one of some servers describes it, or the one that its ID names; None when
        none of them does."""
        ...


class NoRemoteSpaces:
    """A server that asks nobody."""

    async def elsewhere(self, room_ids: Collection[RoomId]) -> set[RoomId]:
        """See :class:`RemoteSpaces`."""
        return set()

    async def space(self, room_id: RoomId, via: Sequence[ServerName]) -> RemoteSpace | None:
        """See :class:`RemoteSpaces`."""
        return None
