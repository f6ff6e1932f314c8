"""The summary of a room in /sync: its heroes and how many are in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from homeserver.domain.identifiers import UserId
from homeserver.rooms.view import RoomView

HEROES = 5


def heroes(room: RoomView, reader: UserId) -> list[UserId]:
    """Up to five members that a nameless room can be called by: those who are in or invited, else
    those who were."""
    present = list(islice(_members(room, reader, ("join", "invite")), HEROES))
    return present or list(islice(_members(room, reader, ("leave", "ban")), HEROES))


def needs_heroes(room: RoomView) -> bool:
    """Whether the room has neither a name nor an alias."""
    return not (
        room.content("m.room.name").get("name")
        or room.content("m.room.canonical_alias").get("alias")
    )


def room_summary(room: RoomView, reader: UserId) -> dict[str, object]:
    """The ``summary`` of a room for one reader."""
    summary: dict[str, object] = {
        "m.joined_member_count": room.joined_count,
        "m.invited_member_count": room.invited_count,
    }
    if needs_heroes(room):
        summary["m.heroes"] = heroes(room, reader)
    return summary


def _members(room: RoomView, reader: UserId, memberships: tuple[str, ...]) -> Iterator[UserId]:
    for user_id, member in room.members.items():
        if user_id != reader and member.membership in memberships:
            yield user_id
