"""Rooms that come from elsewhere: a state that another server told becomes the current one.

Server-server API, "Joining Rooms": after /send_join a room begins here with the state before the
join. The join itself is appended after that like any event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from homeserver.domain.auth_order import in_auth_order
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, RoomId, ServerName
from homeserver.log.entries import Entry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_new_room
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import (
    MembershipRow,
    Standing,
    StoredEvent,
    make_nid,
    position_of_nid,
)
from homeserver.ports.rooms.rooms import RoomRow
from homeserver.ports.rooms.states import RoomImport, RoomImportStore
from homeserver.ports.threads import RunInThread
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_rows import membership_row
from homeserver.rooms.incoming import judged, outside
from homeserver.rooms.view import CREATE

# How many events are judged and stored at once, so that others get their turn in between.
CHUNK = 500

_UNSETTLED = (Standing.OUTLIER, Standing.REJECTED)


class RoomImports:
    """Brings rooms in, or gives those that are here another state."""

    def __init__(
        self,
        directory: RoomDirectory,
        log: Log,
        store: RoomImportStore,
        clock: Clock,
        run_in_thread: RunInThread,
    ) -> None:
        self._directory = directory
        self._log = log
        self._store = store
        self._clock = clock
        self._run_in_thread = run_in_thread
        self._seed = 0

    async def bring_in(
        self,
        room_id: RoomId,
        version: str,
        events: Iterable[Event],
        state: Mapping[StateKey, EventId],
        *,
        is_complete: bool = True,
    ) -> RoomActor:
        """Make a state the current one of a room, which may be unknown here.

        ``events`` are the events of the state and their auth chains, with signatures and hashes
        checked. Those that are not authorised are rejected and left out of the state.
        ``is_complete`` is False for a state without most of its members. Raises Forbidden when
        nothing that made the room is left.
        """
        row = await self._directory.find(room_id)
        if row is not None:
            nid, shard = row.room_nid, row.shard
        else:
            self._seed += 1
            shard = shard_of_new_room(self._seed, self._log.shards)
            nid = make_nid(self._log.next_position(shard), shard)
            room = RoomRow(nid, room_id, version, shard, published=False)
            # What a failure leaves behind belongs to a room of which nothing is known yet, so that
            # the next attempt finds it.
            await self._log.append(
                Entry(shard, position_of_nid(nid)),
                self._store.hearing_of(room, self._clock.now_ms()),
            )
        ordered = await self._run_in_thread(_in_order, list(events))
        known = await self._store_events(nid, shard, ordered)
        held = {
            key: known[event_id]
            for key, event_id in state.items()
            if event_id in known and known[event_id].standing is not Standing.REJECTED
        }
        if CREATE not in held:
            raise Forbidden("The state of the room lacks an m.room.create event")
        members = await self._run_in_thread(_members, list(held.values()))
        position = self._log.next_position(shard)
        arrival = RoomImport(
            room_nid=nid,
            room_id=room_id,
            version=version,
            shard=shard,
            position=position,
            created_ts=self._clock.now_ms(),
            state={key: stored.nid for key, stored in held.items()},
            members=members,
            is_complete=is_complete,
        )
        await self._log.append(Entry(shard, position), self._store.importing(arrival))
        self._directory.forget(nid)
        return await self._directory.by_nid(nid)

    async def discard(self, room_id: RoomId, server_name: ServerName) -> None:
        """Undo what ``bring_in`` did to a room that has no timeline here, and was to get one.

        What users of ``server_name``, which is this server, are to the room stays.
        """
        row = await self._directory.find(room_id)
        if row is not None:
            await self._store.discard(row.room_nid, server_name)
            self._directory.forget(row.room_nid)

    async def _store_events(
        self, nid: int, shard: int, events: Sequence[Event]
    ) -> dict[EventId, StoredEvent]:
        """Store those events that are not here yet as outliers, each judged by its auth events."""
        known: dict[EventId, StoredEvent] = {}
        for start in range(0, len(events), CHUNK):
            chunk = events[start : start + CHUNK]
            found = await self._directory.events.fetch_ids([event.event_id for event in chunk])
            here = {event_id: e for event_id, e in found.items() if e.room_nid == nid}
            # What has no place here yet, such as an invite that came alone, is judged by what came
            # with it now.
            unsettled = [e for e in here.values() if e.standing in _UNSETTLED]
            known.update({i: e for i, e in here.items() if e.standing not in _UNSETTLED})
            new = [event for event in chunk if event.event_id not in found]
            numbered = self._directory.numbered(shard, new)
            numbered += [(e.event, e.nid) for e in unsettled]
            order = {event.event_id: place for place, event in enumerate(chunk)}
            numbered.sort(key=lambda each: order[each[0].event_id])
            stored = await self._run_in_thread(_judge, numbered, nid, known)
            await self._store.store_outside(stored)
        return known


def _in_order(events: Sequence[Event]) -> list[Event]:
    """Events in the order in which they can be judged.

    The create event comes first: since room version 12 nobody cites it, and all are judged by it.
    """
    return sorted(in_auth_order(events), key=lambda event: event.type != CREATE[0])


def _members(held: Sequence[StoredEvent]) -> list[tuple[MembershipRow, int]]:
    return [
        (row, stored.nid) for stored in held if (row := membership_row(stored.event)) is not None
    ]


def _judge(
    numbered: Sequence[tuple[Event, int]], room_nid: int, known: dict[EventId, StoredEvent]
) -> list[StoredEvent]:
    stored = []
    for event, nid in numbered:
        outlier = outside(event, room_nid, nid, judged(event, known))
        known[event.event_id] = outlier
        stored.append(outlier)
    return stored
