"""Rooms that operators may look after."""

from __future__ import annotations

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import RoomId
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory


async def looked_after(directory: RoomDirectory, room_id: RoomId) -> RoomActor:
    """A room that this server has events or the state of.

    Raises NotFound for others. Unlike for users, a room is there that has lost its create event.
    """
    row = await directory.find(room_id)
    if row is None:
        raise NotFound("Unknown room")
    actor = await directory.by_nid(row.room_nid)
    if not actor.view.is_known and not actor.heads:
        raise NotFound("Unknown room")
    return actor
