"""Fully read markers: the last event before which a user has nothing left to read.

Client-server API, "Fully read markers".
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import NOWHERE, RoomView
from homeserver.services.personal.account_data import FULLY_READ, AccountData
from homeserver.services.rooms.joined_room import event_in_room, joined_room
from homeserver.services.turns import Turns

CAPACITY: Final = 20_000
"""Of how many users and rooms it is remembered where the marker is."""


class ReadMarkers:
    """Moves the fully read markers of users; they are account data."""

    def __init__(
        self, directory: RoomDirectory, account_data: AccountData, capacity: int = CAPACITY
    ) -> None:
        self._directory = directory
        self._account_data = account_data
        self._capacity = capacity
        self._known: OrderedDict[tuple[UserId, int], Order] = OrderedDict()
        self._turns = Turns()

    async def move(self, user_id: UserId, room_id: RoomId, event_id: EventId) -> None:
        """Move a user's marker to an event; it never moves back.

        Raises Forbidden for who is not in the room, NotFound for an event that is not in it.
        """
        room = await joined_room(self._directory, user_id, room_id)
        stored = await event_in_room(self._directory, room, event_id)
        async with self._turns.of((user_id, room.nid)):
            if stored.order > await self._current(user_id, room):
                content = msgspec.json.encode({"event_id": event_id})
                await self._account_data.change(
                    user_id, room_id, FULLY_READ, lambda before: content
                )
                self._remember(user_id, room, stored)

    async def _current(self, user_id: UserId, room: RoomView) -> Order:
        known = self._known.get((user_id, room.nid))
        if known is not None:
            return known
        try:
            content = await self._account_data.get(user_id, room.room_id, FULLY_READ)
            event_id = EventId(msgspec.json.decode(content)["event_id"])
            return (await event_in_room(self._directory, room, event_id)).order
        except NotFound:
            return NOWHERE

    def _remember(self, user_id: UserId, room: RoomView, stored: StoredEvent) -> None:
        self._known[user_id, room.nid] = stored.order
        self._known.move_to_end((user_id, room.nid))
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
