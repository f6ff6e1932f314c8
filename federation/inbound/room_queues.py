"""Queues of events that wait to be judged: one for each room.

The events of a room are handled in short runs, one after the other. Those of a server are in the
order of their arrival, and the servers take turns. Rooms go on beside each other.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import structlog
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.ports.federation.staging import StagedPdu

Handle: TypeAlias = Callable[
    [Sequence[StagedPdu], Mapping[EventId, Event]], Coroutine[Any, Any, None]
]
"""Handles a run of events of one room, with all that wait there at hand. It does not raise."""

LONGEST_RUN: Final = 20

log = structlog.get_logger(__name__)


class _Room:
    def __init__(self) -> None:
        self.of_servers: OrderedDict[ServerName, deque[StagedPdu]] = OrderedDict()
        self.at_hand: dict[EventId, Event] = {}
        self.work: Deferred[None] | None = None

    def add(self, staged: StagedPdu) -> None:
        self.of_servers.setdefault(staged.origin, deque()).append(staged)
        self.at_hand[staged.event.event_id] = staged.event

    def next(self) -> list[StagedPdu]:
        """The oldest events of the server whose turn it is."""
        origin, waiting = self.of_servers.popitem(last=False)
        run = [waiting.popleft() for _ in range(min(len(waiting), LONGEST_RUN))]
        if waiting:
            self.of_servers[origin] = waiting
        return run


class RoomQueues:
    """The queues of all rooms."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._rooms: dict[int, _Room] = {}
        self._is_stopped = False
        self._idle: list[Deferred[None]] = []

    def add(self, staged: Iterable[StagedPdu]) -> None:
        """Let events wait for their turn."""
        touched = []
        for each in staged:
            room = self._rooms.get(each.room_nid)
            if room is None:
                room = self._rooms[each.room_nid] = _Room()
            room.add(each)
            touched.append((each.room_nid, room))
        for nid, room in touched:
            if room.work is None and not self._is_stopped:
                room.work = Deferred.fromCoroutine(self._work_off(room))
                room.work.addBoth(self._done, nid)

    def holds(self, room_nid: int, event_id: EventId) -> bool:
        """Whether an event waits in a room."""
        room = self._rooms.get(room_nid)
        return room is not None and event_id in room.at_hand

    def stop(self) -> None:
        """Handle nothing any more; what is under way is broken off."""
        self._is_stopped = True
        for room in list(self._rooms.values()):
            if room.work is not None:
                room.work.cancel()

    async def idle(self) -> None:
        """Resolve when nothing waits."""
        if self._rooms:
            waiting: Deferred[None] = Deferred()
            self._idle.append(waiting)
            await waiting

    async def _work_off(self, room: _Room) -> None:
        while room.of_servers and not self._is_stopped:
            run = room.next()
            try:
                await self._handle(run, room.at_hand)
            finally:
                for staged in run:
                    room.at_hand.pop(staged.event.event_id, None)

    def _done(self, result: Failure | None, room_nid: int) -> None:
        room = self._rooms.pop(room_nid)
        if isinstance(result, Failure) and result.check(CancelledError) is None:
            log.error("room_queue_failed", exc_info=result.value)
        if room.of_servers and not self._is_stopped:
            self.add(each for waiting in room.of_servers.values() for each in waiting)
        if not self._rooms:
            idle, self._idle = self._idle, []
            for deferred in idle:
                deferred.callback(None)
