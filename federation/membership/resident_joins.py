"""The answer to who joins a room through this server: the state before the join.

Server-server API, /send_join, and ``omit_members``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, ServerName, UserId, server_name_of
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.presentation import encode
from homeserver.rooms.room_states import RoomStates
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.sync.room_summary import heroes, needs_heroes

CHUNK: Final = 1000
"""How many events are read at once."""

MANY_MEMBERS: Final = 100
"""From how many members on they are left out for who can do without. In a smaller room that saves
little, and whoever is put out again before the others were fetched will never get them."""


class ResidentJoins:
    """Writes answers to joins. Events go from the database to the answer as they are stored."""

    def __init__(
        self,
        states: RoomStates,
        events: EventCache,
        server_name: ServerName,
        many_members: int = MANY_MEMBERS,
    ) -> None:
        self._states = states
        self._events = events
        self._server_name = server_name
        self._many_members = many_members

    async def answer(self, actor: RoomActor, join: Event, *, may_omit_members: bool) -> bytes:
        """The room that a join, which is in it, leads into: a JSON object."""
        view = actor.view
        omits_members = may_omit_members and len(view.members) >= self._many_members
        stored = (await self._events.fetch_ids([join.event_id]))[join.event_id]
        keys = _without_members(view, UserId(join.sender)) if omits_members else None
        places = await self._states.store.places(view.nid, stored.state_before, keys)
        state = await self._read(list(places.values()))
        known = await self._states.with_auth_chains([*state, stored])
        chain = _cited(known.values())
        if omits_members:
            chain -= {event.event.event_id for event in state}
        servers = {server_name_of(user) for user in view.joined() if user != join.sender}
        return (
            b'{"auth_chain":[%s],"event":%s,"members_omitted":%s,"origin":%s,'
            b'"servers_in_room":%s,"state":[%s]}'
            % (
                b",".join(known[i].event.pdu for i in chain if i in known),
                join.pdu,
                b"true" if omits_members else b"false",
                encode(self._server_name),
                encode(sorted(servers)),
                b",".join(event.event.pdu for event in state),
            )
        )

    async def _read(self, nids: list[int]) -> list[StoredEvent]:
        """Many events, some at a time so that others get their turn in between."""
        found: list[StoredEvent] = []
        for start in range(0, len(nids), CHUNK):
            found += (await self._events.fetch(nids[start : start + CHUNK])).values()
        return found


def _cited(events: Iterable[StoredEvent]) -> set[EventId]:
    return {cited for stored in events for cited in stored.event.auth_event_ids}


def _without_members(view: RoomView, joiner: UserId) -> list[StateKey]:
    """The places that are told without the members: but for those by whom the room is called."""
    shown = heroes(view, joiner) if needs_heroes(view) else []
    return [*view.state, *((MEMBER, user_id) for user_id in shown)]
