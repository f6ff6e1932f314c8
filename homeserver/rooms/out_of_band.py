"""Memberships in rooms that this server is not in: invites from elsewhere, knocks, and their ends.

Server-server API, "Inviting to a room", "Knocking upon a room" and "Leaving Rooms". The member
event has no place in a timeline here; with it is kept what another server told of the room.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId, ServerName, UserId
from homeserver.log.entries import OutOfBandEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_new_room
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import Standing, StoredEvent, make_nid
from homeserver.ports.rooms.out_of_band import OutOfBandChange, OutOfBandStore
from homeserver.ports.rooms.rooms import RoomRow
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_rows import membership_row
from homeserver.rooms.incoming import outside
from homeserver.rooms.view import RoomView


@attrs.frozen(slots=True)
class Told:
    """What another server told of a room (stripped state events), and who can be asked about it."""

    stripped_state: Sequence[JsonObject] = ()
    servers: Sequence[ServerName] = ()


@attrs.frozen(slots=True)
class OutOfBandMembership:
    """What a user is to a room that this server is not in, and who can be asked about it."""

    room: RoomRow
    event: StoredEvent
    servers: Sequence[ServerName]


class OutOfBandMemberships:
    """Keeps what this server's users are to rooms that it is not in.

    Of one room only one thing may be brought in at a time, here or by ``RoomImports``.
    """

    def __init__(
        self, directory: RoomDirectory, log: Log, store: OutOfBandStore, clock: Clock
    ) -> None:
        self._directory = directory
        self._log = log
        self._store = store
        self._clock = clock
        self._seed = 0

    async def of(self, user_id: UserId, room_id: RoomId) -> OutOfBandMembership | None:
        """What a user is to a room; None unless they are invited or have knocked, and this server
        is not in the room."""
        room = await self._directory.find(room_id)
        if room is None:
            return None
        known = await self._directory.store.room_of_user(user_id, room.room_nid)
        if known is None or known.membership not in ("invite", "knock"):
            return None
        actor = await self._directory.by_nid(room.room_nid)
        if actor.is_resident:
            return None
        # Who was invited before this server left the room was told nothing by others.
        servers = await self._store.servers(room.room_nid, user_id)
        servers = servers or sorted(actor.view.joined_servers)
        event = (await self._directory.events.fetch([known.event_nid]))[known.event_nid]
        return OutOfBandMembership(room, event, servers)

    async def last_known_servers(self, room_id: RoomId) -> list[ServerName]:
        """The servers that were in a room when this one was in it last, if it ever was."""
        room = await self._directory.find(room_id)
        if room is None:
            return []
        return sorted((await self._directory.by_nid(room.room_nid)).view.joined_servers)

    async def record(self, event: Event, told: Told | None = None) -> None:
        """Keep a member event as what its user is to the room now. ``told`` is None when they have
        nothing to do with the room any more.

        Raises InvalidParam for an event whose ID is that of one in another room.
        """
        membership = membership_row(event)
        if membership is None:
            raise ValueError(f"{event.event_id} is no member event")
        room = await self._directory.find(event.room_id)
        known = (await self._directory.events.fetch_ids([event.event_id])).get(event.event_id)
        if known is not None and (room is None or known.room_nid != room.room_nid):
            raise InvalidParam("There is an event with this ID in another room")
        shard = room.shard if room is not None else self._new_shard()
        position = self._log.next_position(shard)
        nid = make_nid(position, shard)
        if room is None:
            room = RoomRow(nid, event.room_id, event.version.identifier, shard, published=False)
        if known is not None:
            nid = known.nid
        standing = known.standing if known is not None else Standing.OUTLIER
        change = OutOfBandChange(
            room,
            outside(event, room.room_nid, nid, standing),
            position,
            membership,
            told.stripped_state if told is not None else (),
            told.servers if told is not None else (),
        )
        entry = OutOfBandEntry(shard, position, room.room_nid, room.room_id, nid, membership)
        await self._log.append(entry, self._store.changing(change, self._clock.now_ms()))

    async def end(self, room: RoomView) -> None:
        """Forget what was told of a room, as this server is in it now."""
        if room.told:
            await self._store.end(room.nid)
            self._directory.forget(room.nid)

    def _new_shard(self) -> int:
        self._seed += 1
        return shard_of_new_room(self._seed, self._log.shards)
