"""In which order something happened in a user's rooms last. MSC4186, "Activity ordering".

What is known when a user first asks is read for all rooms at once; from then on only rooms that
were touched are looked at.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.room_activity import RoomActivityStore
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.sync.session import Session

_Moment = tuple[int, int, int]
"""When an event was sent, its position, and its room."""


class Activity:
    """A stamp for each room of a user: the greater, the later something happened in it."""

    def __init__(self, seen: SyncToken, moments: list[_Moment]) -> None:
        """``moments`` are the newest of each room, as they were at ``seen`` or later."""
        self._seen = seen
        self._positions = {nid: position for _, position, nid in moments}
        self._stamps = {nid: stamp for stamp, (_, _, nid) in enumerate(sorted(moments), start=1)}
        self._newest = len(moments)

    def stamp(self, nid: int) -> int:
        """The stamp of a room."""
        return self._stamps.get(nid, 0)

    def missed(self, session: Session, until: SyncToken) -> list[UserRoom]:
        """The rooms in which something came up to a token that was not taken in yet."""
        rooms = session.rooms
        return [rooms[nid] for nid in session.rooms_after(self._seen, until) if nid in rooms]

    def take_in(self, moments: list[_Moment], until: SyncToken) -> None:
        """Take in the newest of some rooms, all in which something came up to a token."""
        for _, position, nid in sorted(moments):
            if position > self._positions.get(nid, 0):
                self._newest += 1
                self._positions[nid] = position
                self._stamps[nid] = self._newest
        self._seen = SyncToken(tuple(map(max, self._seen.positions, until.positions)))


class Activities:
    """The activity in the rooms of those who look at lists of them."""

    def __init__(self, store: RoomActivityStore, directory: RoomDirectory) -> None:
        self._store = store
        self._directory = directory
        self._sessions: WeakKeyDictionary[Session, Activity] = WeakKeyDictionary()

    async def of(self, session: Session, until: SyncToken) -> Activity:
        """The activity in a user's rooms, up to a token that has been published."""
        activity = self._sessions.get(session)
        if activity is None:
            activity = Activity(until, await self._read(list(session.rooms.values())))
            activity = self._sessions.setdefault(session, activity)
        missed = activity.missed(session, until)
        if missed:
            activity.take_in(await self._read(missed), until)
        return activity

    async def _read(self, rooms: list[UserRoom]) -> list[_Moment]:
        """The newest of some rooms; of those not in memory in a fixed number of queries."""
        found: list[_Moment] = []
        joined, others = [], []
        for room in rooms:
            if room.membership != "join":
                others.append(room.event_nid)
                continue
            moment = _newest(room, self._directory)
            if moment is not None:
                found.append(moment)
            else:
                joined.append(room.room_nid)
        events = await self._store.last_events(joined) if joined else []
        events += await self._store.events(others) if others else []
        return found + [(e.origin_server_ts, e.position, e.room_nid) for e in events]


def _newest(room: UserRoom, directory: RoomDirectory) -> _Moment | None:
    """The newest event of a room that its user may know of, if the room is in memory."""
    actor = directory.loaded(room.room_nid)
    if actor is None or not actor.view.tail:
        return None
    tail = actor.view.tail
    if room.membership == "join":
        last = tail[-1]
        return last.event.origin_server_ts, last.position, room.room_nid
    own = next((e for e in reversed(tail) if e.nid == room.event_nid), None)
    return (own.event.origin_server_ts, own.position, room.room_nid) if own is not None else None
