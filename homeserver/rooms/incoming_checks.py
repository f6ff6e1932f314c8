"""What the authorisation of an event that others made takes: what it refers to, and the checks.

Server-server API, "Checks performed on receipt of a PDU".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.auth_rules import check_auth_events_selection, check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import CREATE, MEMBER


def auth_keys(event: Event) -> list[StateKey]:
    """The places of the state that authorise an event."""
    return auth_event_keys(event.version, event.type, event.state_key, event.sender, event.content)


def referred_in_memory(actor: RoomActor, event: Event) -> dict[EventId, StoredEvent]:
    """What an event may refer to, as far as it is in memory: the newest events of the room, and
    those of the newest state that authorise such an event."""
    known = {stored.event.event_id: stored for stored in actor.view.tail}
    known.update((stored.event.event_id, stored) for stored in actor.heads)
    for key in (CREATE, *auth_keys(event)):
        stored = actor.head_event(key)
        if stored is not None:
            known.setdefault(stored.event.event_id, stored)
    return known


async def load_members(actor: RoomActor, events: EventCache, keys: Collection[StateKey]) -> None:
    """Bring the member events that an authorisation needs into memory."""
    members = actor.view.members
    await events.fetch(
        members[UserId(key[1])].nid
        for key in keys
        if key[0] == MEMBER and actor.head_event(key) is None and UserId(key[1]) in members
    )


def is_allowed_by_auth_events(
    event: Event, auth_events: Sequence[StoredEvent], create: Event
) -> bool:
    """Step 4: whether the events that it names itself authorise an event."""
    rejected = {e.event.event_id for e in auth_events if e.standing is Standing.REJECTED}
    state = {e.event.state_map_key(): e.event for e in auth_events if e.event.is_state}
    try:
        check_auth_events_selection(event, [e.event for e in auth_events], rejected)
    except Forbidden:
        return False
    return is_allowed_by(event, state, create)


def is_allowed_by(event: Event, state: Mapping[StateKey, Event], create: Event) -> bool:
    """Whether a state of the room authorises an event."""
    try:
        check_event_auth(event, state, create)
    except Forbidden:
        return False
    return True
