"""The events of rooms that have no more than a creator."""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.rooms.actor import NewEvent

ALICE = UserId("@alice:hs")


def state(type: str, content: JsonObject, state_key: str = "") -> NewEvent:
    return NewEvent(type, ALICE, content, state_key)


def first_events(room_id: RoomId) -> list[NewEvent]:
    return [state("m.room.member", {"membership": "join"}, ALICE)]
