"""What invited and knocking users are told of a room that their server is not in.

Server-server API, ``invite_room_state`` and ``knock_room_state``: state events of the room, from
which clients get stripped state.
"""

from __future__ import annotations

from typing import Any, Final

import structlog

from federation.inbound.event_checks import EventChecks
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.room_versions import RoomVersion
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.event_cache import EventCache
from homeserver.sync.stripped_state import TYPES

MEMBER: Final = "m.room.member"

MOST_EVENTS: Final = 50
"""How many events are taken of a description."""

log = structlog.get_logger(__name__)


async def description_of(actor: RoomActor, events: EventCache, host: UserId) -> list[JsonObject]:
    """The events that describe a room, with that of the member ``host``."""
    view = actor.view
    described = [view.state[key].event for kind in TYPES if (key := (kind, "")) in view.state]
    member = view.members.get(host)
    if member is not None:
        described += [e.event for e in (await events.fetch([member.nid])).values()]
    return [event.pdu_object() for event in described]


class Descriptions:
    """Checks the descriptions of rooms that other servers give."""

    def __init__(self, checks: EventChecks) -> None:
        self._checks = checks

    async def stripped(
        self, described: Any, room_id: RoomId, version: RoomVersion, *, strictly: bool = False
    ) -> list[JsonObject]:
        """Stripped state of a description, without what is not in order.

        ``strictly`` raises InvalidParam instead: also when the create event is missing. Otherwise
        events that are stripped already are believed, as older servers send them so.
        """
        entries = described[:MOST_EVENTS] if isinstance(described, list) else []
        objects = [entry for entry in entries if isinstance(entry, dict)]
        whole = [entry for entry in objects if strictly or "signatures" in entry]
        checked = await self._checks.checked(whole, version)
        found = []
        for event in checked:
            if isinstance(event, Event) and event.is_state and event.room_id == room_id:
                found.append(_stripped(event))
            elif strictly:
                raise InvalidParam("The room is described by events that are not in order")
        if strictly and (
            len(objects) < len(entries) or not any(e["type"] == "m.room.create" for e in found)
        ):
            raise InvalidParam("The description of the room lacks its m.room.create event")
        bare = [entry for entry in objects if not strictly and "signatures" not in entry]
        return [*found, *(entry for each in bare if (entry := _as_stripped(each)) is not None)]


def _stripped(event: Event) -> JsonObject:
    return {
        "content": event.content,
        "sender": event.sender,
        "state_key": event.state_key,
        "type": event.type,
    }


def _as_stripped(entry: JsonObject) -> JsonObject | None:
    match entry:
        case {
            "content": dict(content),
            "sender": str(sender),
            "state_key": str(state_key),
            "type": str(type),
        }:
            return {"content": content, "sender": sender, "state_key": state_key, "type": type}
    return None
