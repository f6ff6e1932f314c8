"""Which events of a room another server may see: those that any of its users may.

Client-server API, "Room History Visibility". What a server may not see it gets redacted, so that
the graph of events has no holes: redacted events keep their IDs and signatures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.domain.membership import Membership, parse_membership
from homeserver.domain.redaction import redacted_event
from homeserver.domain.visibility import (
    HistoryVisibility,
    may_see_event,
    parse_history_visibility,
)
from homeserver.ports.rooms.events import Standing, StoredEvent, position_of_nid
from homeserver.ports.rooms.past_states import PastStates
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.rooms.visible_events import VISIBILITY

USERS_AT_ONCE: Final = 200
MOST_USERS: Final = 1000
"""How many users of a server are looked at to find one who may see an event."""

_UNPLACED: Final = (Standing.OUTLIER, Standing.REJECTED)

_Places = Mapping[StateKey, int]


class ServerVisibility:
    """Decides what servers see of rooms."""

    def __init__(self, past_states: PastStates, events: EventCache) -> None:
        self._past_states = past_states
        self._events = events

    async def pdus(
        self, server: ServerName, room: RoomView, events: Sequence[StoredEvent]
    ) -> list[bytes]:
        """Events as a server may see them, in their order."""
        hidden = await self.hidden(server, room, events)
        return [
            redacted_event(stored.event).pdu if stored.nid in hidden else stored.event.pdu
            for stored in events
        ]

    async def hidden(
        self, server: ServerName, room: RoomView, events: Iterable[StoredEvent]
    ) -> set[int]:
        """The numbers of those events that no user of a server may see."""
        doubtful = [stored for stored in events if not _is_own(stored, server)]
        unplaced = [stored for stored in doubtful if stored.standing in _UNPLACED]
        placed = [stored for stored in doubtful if stored.standing not in _UNPLACED]
        hidden = {stored.nid for stored in unplaced if not _is_seen_unplaced(server, room, stored)}
        if placed and not _was_open_since(server, room, min(e.state_position for e in placed)):
            hidden |= await self._hidden_by_past(server, room, placed)
        return hidden

    async def _hidden_by_past(
        self, server: ServerName, room: RoomView, events: list[StoredEvent]
    ) -> set[int]:
        bases = {stored.state_position for stored in events}
        held = await self._past_states.held(room.nid, bases, [VISIBILITY])
        found = await self._events.fetch(
            {nid for places in held.values() for nid in places.values()}
        )
        is_here = server in room.joined_servers
        doubtful: dict[int, list[HistoryVisibility]] = {}
        by_nid = {stored.nid: stored for stored in events}
        for nid, stored in by_nid.items():
            place = held[stored.state_position].get(VISIBILITY)
            setting = found.get(place) if place is not None else None
            values = [parse_history_visibility(setting.event.content if setting else None)]
            if (stored.event.type, stored.event.state_key) == VISIBILITY:
                values.append(parse_history_visibility(stored.event.content))
            if not any(_allows(value, Membership.LEAVE, is_here) for value in values):
                doubtful[nid] = values
        if not doubtful:
            return set()
        users = _users(server, room)
        if _was_in_since(room, users, min(by_nid[nid].state_position for nid in doubtful)):
            return set()
        for start in range(0, min(len(users), MOST_USERS), USERS_AT_ONCE):
            if not doubtful:
                break
            keys = [(MEMBER, user_id) for user_id in users[start : start + USERS_AT_ONCE]]
            seen = await self._seen_by(keys, room, [by_nid[nid] for nid in doubtful], doubtful)
            for nid in seen:
                del doubtful[nid]
        return set(doubtful)

    async def _seen_by(
        self,
        keys: Collection[StateKey],
        room: RoomView,
        events: list[StoredEvent],
        visibilities: Mapping[int, list[HistoryVisibility]],
    ) -> set[int]:
        """The events that some of these users may see, by what they were to the room."""
        held = await self._past_states.held(room.nid, {e.state_position for e in events}, keys)
        found = await self._events.fetch(
            {nid for places in held.values() for nid in places.values()}
        )
        memberships = {
            nid: parse_membership(stored.event.content) or Membership.LEAVE
            for nid, stored in found.items()
        }
        return {
            stored.nid
            for stored in events
            if any(
                _allows(value, memberships[place], is_here=False)
                for place in set(held[stored.state_position].values()) & memberships.keys()
                for value in visibilities[stored.nid]
            )
        }


def _allows(value: HistoryVisibility, membership: Membership, is_here: bool) -> bool:
    return may_see_event(visibility=value, membership=membership, joined_later=is_here)


def _is_own(stored: StoredEvent, server: ServerName) -> bool:
    """Whether an event is by a user of a server, or says what one is to the room."""
    event = stored.event
    users = {event.sender, event.state_key} if event.type == MEMBER else {event.sender}
    return any(user is not None and user.partition(":")[2] == server for user in users)


def _visibility_now(room: RoomView) -> HistoryVisibility:
    setting = room.state.get(VISIBILITY)
    return parse_history_visibility(setting.event.content if setting is not None else None)


def _is_seen_unplaced(server: ServerName, room: RoomView, stored: StoredEvent) -> bool:
    """Whether a server may see an event before which the state is not known. What may make up
    states is known to all servers in the room."""
    now = _visibility_now(room)
    if now is HistoryVisibility.WORLD_READABLE:
        return True
    is_open = now is HistoryVisibility.SHARED or stored.event.is_state
    return is_open and server in room.joined_servers


def _was_open_since(server: ServerName, room: RoomView, position: int) -> bool:
    """Whether a server may see all that came after a position, as far as memory tells."""
    setting = room.state.get(VISIBILITY)
    if setting is None or not 0 <= setting.position <= position:
        return False
    now = _visibility_now(room)
    return now is HistoryVisibility.WORLD_READABLE or (
        now is HistoryVisibility.SHARED and server in room.joined_servers
    )


def _users(server: ServerName, room: RoomView) -> list[UserId]:
    """The users of a server that have or had to do with a room: first those who are in it, each
    group in the order in which they came."""
    theirs = [(user, m) for user, m in room.members.items() if server_name_of(user) == server]
    theirs.sort(key=lambda each: (each[1].membership != "join", each[1].nid))
    return [user for user, _ in theirs]


def _was_in_since(room: RoomView, users: Sequence[UserId], position: int) -> bool:
    """Whether the first of these users has been in the room since before a position."""
    if not users or not room.is_joined(users[0]):
        return False
    return position_of_nid(room.members[users[0]].nid) <= position
