"""Telling those who share a room with a user that the user's keys have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from homeserver.domain.identifiers import UserId
from homeserver.log.entries import DeviceListEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.device_lists import DeviceListStore

T = TypeVar("T")


class DeviceListChanges:
    """Writes changes of keys together with the note that there was one."""

    def __init__(self, store: DeviceListStore, log: Log) -> None:
        self._store = store
        self._log = log
        self._followers: list[Callable[[UserId], None]] = []

    def follow(self, follower: Callable[[UserId], None]) -> None:
        """Call ``follower`` with each user whose keys may have changed."""
        self._followers.append(follower)

    async def write(self, user_id: UserId, work: Callable[[Transaction, int], T]) -> T:
        """Run work that changes the keys of a user or of their devices, and tell of it.

        The work gets the position of the change. Like all work it may run more than once.
        """
        # Whoever comes into a room after this has been read sees the user anew for that.
        room_nids = tuple(await self._store.joined_rooms(user_id))

        def change(tx: Transaction) -> T:
            result = work(tx, position)
            self._store.note_change(tx, user_id, shard, position)
            return result

        shard = shard_of_user(user_id, self._log.shards)
        position = self._log.next_position(shard)
        entry = DeviceListEntry(shard, position, user_id, room_nids)
        try:
            return await self._log.append(entry, change)
        finally:
            # Also of a commit that failed: it may have taken place all the same.
            for follower in self._followers:
                follower(user_id)
