"""Stripped state: what an invited or knocking user is told of a room."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.presentation import encode
from homeserver.rooms.view import RoomView

# Client-server API, "Stripped state".
TYPES = (
    "m.room.create",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.encryption",
)


def stripped(stored: StoredEvent) -> bytes:
    """An event with nothing but its type, place, sender and content."""
    event = stored.event
    return b'{"content":%s,"sender":%s,"state_key":%s,"type":%s}' % (
        event.raw_content,
        encode(event.sender),
        encode(event.state_key),
        encode(event.type),
    )


def stripped_members(room: RoomView, user_id: UserId, sender: UserId) -> list[int]:
    """The numbers of the member events that go along: the user's, and that of who invited them."""
    return [room.members[user].nid for user in {user_id, sender} if user in room.members]


async def stripped_state(
    room: RoomView, events: EventCache, user_id: UserId, sender: UserId
) -> list[bytes]:
    """The stripped state of a room for an invited or knocking user, and who invited them.

    Of a room that this server is not in it is what another one told.
    """
    if user_id in room.told:
        known = await events.fetch([room.members[user_id].nid])
        return [*room.told[user_id], *map(stripped, known.values())]
    found = [room.state[key] for kind in TYPES if (key := (kind, "")) in room.state]
    members = await events.fetch(stripped_members(room, user_id, sender))
    own = [m for m in members.values() if m.event.state_key == user_id]
    others = [m for m in members.values() if m.event.state_key != user_id]
    return [stripped(event) for event in (*found, *others, *own)]
