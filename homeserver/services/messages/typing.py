"""Who is typing where, in memory only.

Client-server API, "Typing Notifications".
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import attrs
import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.log.entries import TypingEntry
from homeserver.log.log import Log
from homeserver.ports.clock import Clock, DelayedCall
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView
from homeserver.services.rooms.joined_room import joined_room

DEFAULT_TIMEOUT_MS: Final = 30_000
LONGEST_TIMEOUT_MS: Final = 120_000
CAPACITY: Final = 10_000
"""Of how many rooms it is remembered when typing in them last changed."""

log = structlog.get_logger(__name__)


@attrs.define(slots=True)
class _Typist:
    deadline: float
    timer: DelayedCall


@attrs.define(slots=True)
class _TypingRoom:
    shard: int
    position: int = 0
    typists: dict[UserId, _Typist] = attrs.Factory(dict)


class Typing:
    """The users who type in the rooms of this process."""

    def __init__(
        self, directory: RoomDirectory, log: Log, clock: Clock, capacity: int = CAPACITY
    ) -> None:
        self._directory = directory
        self._log = log
        self._clock = clock
        self._capacity = capacity
        self._rooms: OrderedDict[int, _TypingRoom] = OrderedDict()
        directory.on_load.append(self._restore)

    async def start(
        self, user_id: UserId, room_id: RoomId, timeout_ms: int = DEFAULT_TIMEOUT_MS
    ) -> None:
        """A user types for some time, or goes on to. Raises Forbidden for who is not in the room.

        Only the first of several notices tells the others anything.
        """
        view = await joined_room(self._directory, user_id, room_id)
        seconds = min(timeout_ms, LONGEST_TIMEOUT_MS) / 1000
        room = self._rooms.setdefault(view.nid, _TypingRoom(view.shard))
        typist = room.typists.get(user_id)
        deadline = self._clock.monotonic() + seconds
        if typist is None:
            timer = self._clock.call_later(seconds, self._look_at, view.nid, user_id)
            room.typists[user_id] = _Typist(deadline, timer)
            await self._tell(view.nid, room)
            return
        if deadline < typist.deadline:
            typist.timer.cancel()
            typist.timer = self._clock.call_later(seconds, self._look_at, view.nid, user_id)
        typist.deadline = deadline

    async def stop(self, user_id: UserId, room_id: RoomId) -> None:
        """A user does not type any more. Raises Forbidden for who is not in the room."""
        view = await joined_room(self._directory, user_id, room_id)
        room = self._rooms.get(view.nid)
        if room is not None and user_id in room.typists:
            room.typists.pop(user_id).timer.cancel()
            await self._tell(view.nid, room)

    def _look_at(self, nid: int, user_id: UserId) -> None:
        """Has the user stopped, or has the time been extended?"""
        room = self._rooms[nid]
        typist = room.typists[user_id]
        remaining = typist.deadline - self._clock.monotonic()
        if remaining > 0:
            typist.timer = self._clock.call_later(remaining, self._look_at, nid, user_id)
            return
        del room.typists[user_id]
        self._tell(nid, room).addErrback(
            lambda failure: log.warning("typing_not_told", error=str(failure.value))
        )

    def _tell(self, nid: int, room: _TypingRoom) -> Deferred[None]:
        room.position = self._log.next_position(room.shard)
        self._rooms.move_to_end(nid)
        if len(self._rooms) > self._capacity:
            self._forget_oldest()
        users = tuple(room.typists)
        return self._log.append(TypingEntry(room.shard, room.position, nid, users), None)

    def _forget_oldest(self) -> None:
        oldest = next((nid for nid, room in self._rooms.items() if not room.typists), None)
        if oldest is not None:
            del self._rooms[oldest]

    def _restore(self, view: RoomView) -> None:
        # The room was out of memory for a while, and storage knows nothing of who types.
        room = self._rooms.get(view.nid)
        if room is not None:
            view.apply_typing(tuple(room.typists), room.position)
