"""Rooms and events as one who is in the room refers to them."""

from __future__ import annotations

from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView
from homeserver.services.rooms.acting_in_rooms import room_to_act_in


async def joined_room(directory: RoomDirectory, user_id: UserId, room_id: RoomId) -> RoomView:
    """The room that a user is in. Raises Forbidden, whether there is such a room or not."""
    view = (await room_to_act_in(directory, room_id)).view
    if not view.is_joined(user_id):
        raise Forbidden("You are not in this room")
    return view


async def event_in_room(directory: RoomDirectory, room: RoomView, event_id: EventId) -> StoredEvent:
    """An event of a room, without a query if it is one of the newest. Raises NotFound."""
    for stored in reversed(room.tail):
        if stored.event.event_id == event_id:
            return stored
    found = (await directory.events.fetch_ids([event_id])).get(event_id)
    if found is None or found.room_nid != room.nid:
        raise NotFound("There is no such event in this room")
    return found
