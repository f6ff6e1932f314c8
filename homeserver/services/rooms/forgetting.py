"""Forgetting rooms that one has left. Client-server API, "Leaving rooms"."""

from __future__ import annotations

from functools import partial

from homeserver.domain.errors import NotFound, Unknown
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.log.entries import ForgottenEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.rooms.memberships import MembershipStore
from homeserver.rooms.directory import RoomDirectory


class Forgetting:
    """Lets users forget rooms, until they come back or are invited again."""

    def __init__(self, directory: RoomDirectory, memberships: MembershipStore, log: Log) -> None:
        self._directory = directory
        self._memberships = memberships
        self._log = log

    async def forget(self, user_id: UserId, room_id: RoomId) -> None:
        """Forget a room. Raises NotFound for a room the user never was in, Unknown while they are
        in it or invited."""
        row = await self._directory.find(room_id)
        if row is None:
            raise NotFound("You never were in this room")
        nid = row.room_nid
        actor = self._directory.loaded(nid)
        if actor is not None:
            await actor.settled()
        room = await self._directory.store.room_of_user(user_id, nid)
        if room is None:
            raise NotFound("You never were in this room")
        if room.membership not in ("leave", "ban"):
            raise Unknown("You have not left this room")
        if room.forgotten:
            return
        shard = shard_of_user(user_id, self._log.shards)
        entry = ForgottenEntry(shard, self._log.next_position(shard), user_id, room_id)
        await self._log.append(
            entry, partial(self._memberships.forget, user_id=user_id, room_nid=nid)
        )
