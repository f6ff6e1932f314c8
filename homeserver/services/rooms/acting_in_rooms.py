"""From a request to the room it is about, and state that is set only where it changes."""

from __future__ import annotations

from homeserver.domain.canonical_json import encode_canonical_json
from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import EventId, RoomId
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory


async def room_to_act_in(directory: RoomDirectory, room_id: RoomId) -> RoomActor:
    """The room in which a member wants to do something.

    Raises Forbidden for an unknown room: whether a room exists is nobody's business who is not in
    it.
    """
    try:
        return await directory.by_id(room_id)
    except NotFound:
        raise Forbidden("You are not in this room") from None


async def set_state(actor: RoomActor, new: NewEvent) -> EventId:
    """Append a state event, unless its sender has set the very same before; the ID of either.

    Raises as ``RoomActor.append``.
    """
    await actor.prepare([new])
    if new.state_key is None:
        raise ValueError("A state event has a state key")
    current = actor.head_event((new.type, new.state_key))
    if (
        current is not None
        and current.event.sender == new.sender
        and current.event.content == new.content
        # True equals 1 in Python and not in JSON.
        and current.event.raw_content == encode_canonical_json(new.content)
        and (new.state_key == new.sender or actor.head_membership(new.sender) == "join")
    ):
        await actor.settled()
        return current.event.event_id
    return (await actor.append(new)).event.event_id
