"""Reading the state of rooms. Client-server API, "Getting events for a room"."""

from __future__ import annotations

import attrs

from homeserver.domain.errors import NotFound
from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.requester import Requester
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import Presenter, Reader
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.services.messages.history import History


@attrs.frozen(slots=True)
class _Sight:
    """What a user sees of a room: its current state, or the state at ``position``."""

    view: RoomView
    position: int | None


class StateReading:
    """Shows the state of rooms: the current one, or to who left the one at that time."""

    def __init__(
        self, directory: RoomDirectory, history: History, presenter: Presenter, clock: Clock
    ) -> None:
        self._directory = directory
        self._history = history
        self._presenter = presenter
        self._clock = clock

    async def all(self, requester: Requester, room_id: RoomId) -> list[bytes]:
        """Every state event, as the client receives it. Raises Forbidden."""
        sight = await self._sight(room_id, requester.user_id)
        return await self._present(requester, sight, await self._events(sight))

    async def one(self, requester: Requester, room_id: RoomId, key: StateKey) -> bytes:
        """One state event, as the client receives it. Raises Forbidden and NotFound."""
        sight = await self._sight(room_id, requester.user_id)
        return (await self._present(requester, sight, [await self._event(sight, key)]))[0]

    async def content(self, requester: Requester, room_id: RoomId, key: StateKey) -> bytes:
        """The content of one state event. Raises Forbidden and NotFound."""
        sight = await self._sight(room_id, requester.user_id)
        return (await self._event(sight, key)).event.raw_content

    async def _sight(self, room_id: RoomId, user_id: UserId) -> _Sight:
        view = await self._history.readable(room_id, user_id)
        if view.is_joined(user_id):
            return _Sight(view, None)
        position = await self._history.last_visible_position(view, user_id)
        return _Sight(view, position if position < view.position else None)

    async def _event(self, sight: _Sight, key: StateKey) -> StoredEvent:
        view = sight.view
        found: StoredEvent | None = None
        if "\0" in key[0]:
            raise NotFound("The room has no such state")  # nor could any database look for it
        if sight.position is not None:
            spans = await self._directory.store.state_at(view.nid, sight.position, [key[0]])
            nids = [span.event_nid for span in spans if span.state_key == key[1]]
            for event in (await self._directory.events.fetch(nids)).values():
                found = event
        elif key[0] == MEMBER:
            member = view.members.get(UserId(key[1]))
            if member is not None:
                found = (await self._directory.events.fetch([member.nid])).get(member.nid)
        else:
            found = view.state.get(key)
        if found is None:
            raise NotFound("The room has no such state")
        return found

    async def _events(self, sight: _Sight) -> list[StoredEvent]:
        view = sight.view
        if sight.position is not None:
            spans = await self._directory.store.state_at(view.nid, sight.position)
            nids = [span.event_nid for span in spans]
            return list((await self._directory.events.fetch(nids)).values())
        members = await self._directory.events.fetch(m.nid for m in view.members.values())
        return [*view.state.values(), *members.values()]

    async def _present(
        self, requester: Requester, sight: _Sight, events: list[StoredEvent]
    ) -> list[bytes]:
        reader = Reader(requester.user_id, requester.device_id)
        return await self._presenter.present(
            events, self._clock.now_ms(), reader, sight.view.room_id
        )
