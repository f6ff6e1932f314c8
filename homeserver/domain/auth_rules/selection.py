"""The rules for the ``auth_events`` of an event.

Specification: room versions, "Authorisation rules", rule 3 of version 12; server-server API,
"Auth events selection".
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId


def check_auth_events_selection(
    event: Event, auth_events: Sequence[Event], rejected: Container[EventId] = frozenset()
) -> None:
    """Check that ``event`` names no other events as authorising it than it should.

    ``auth_events`` are those that it names, all of them. ``rejected`` tells which of them the
    server has rejected. Raises Forbidden.
    """
    if event.type == "m.room.create":
        return
    selection = auth_event_keys(
        event.version, event.type, event.state_key, event.sender, event.content
    )
    seen = set()
    for auth_event in auth_events:
        name = f"The auth event {auth_event.event_id}"
        if auth_event.state_key is None or auth_event.state_map_key() not in selection:
            raise Forbidden(f"{name} does not authorise events of this kind")
        if auth_event.state_map_key() in seen:
            raise Forbidden(f"{name} is one of several for the same entry of the state")
        if auth_event.event_id in rejected:
            raise Forbidden(f"{name} was rejected")
        if auth_event.room_id != event.room_id:
            raise Forbidden(f"{name} is of another room")
        seen.add(auth_event.state_map_key())
    if event.version.create_in_auth_events and ("m.room.create", "") not in seen:
        raise Forbidden("The auth events lack the create event of the room")
