"""Receipts: up to where users have read.

Client-server API, "Receipts". Receipts of one room that arrive while others of it are on their way
to the database are stored, and delivered, together.
"""

from __future__ import annotations

from typing import Final

import attrs
from twisted.internet.defer import Deferred

from homeserver.domain.errors import InvalidParam, NotFound
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.domain.relations import relation_of
from homeserver.log.entries import ReceiptEntry
from homeserver.log.log import Log
from homeserver.ports.clock import Clock
from homeserver.ports.database import Transaction
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.receipts import UNTHREADED, ReceiptRow, ReceiptStore
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView
from homeserver.services.rooms.joined_room import event_in_room, joined_room

READ: Final = "m.read"
READ_PRIVATE: Final = "m.read.private"
MAIN: Final = "main"

# How many relations are followed from an event to the thread it is in.
MAX_HOPS: Final = 3

_Key = tuple[UserId, str, str]


@attrs.define(slots=True)
class _Batch:
    """Receipts of one room that are stored together, and the requests that wait for it."""

    receipts: dict[_Key, ReceiptRow] = attrs.Factory(dict)
    waiting: list[Deferred[None]] = attrs.Factory(list)

    def stored(self) -> Deferred[None]:
        """Resolves when the batch is stored."""
        deferred: Deferred[None] = Deferred()
        self.waiting.append(deferred)
        return deferred


@attrs.define(slots=True)
class _Moving:
    """Receipts of one room that are not stored yet: on their way, and those that go next."""

    writing: _Batch = attrs.Factory(_Batch)
    next: _Batch = attrs.Factory(_Batch)


class Receipts:
    """Moves the receipts of users."""

    def __init__(
        self, directory: RoomDirectory, store: ReceiptStore, log: Log, clock: Clock
    ) -> None:
        self._directory = directory
        self._store = store
        self._log = log
        self._clock = clock
        self._moving: dict[int, _Moving] = {}

    async def move(
        self,
        user_id: UserId,
        room_id: RoomId,
        receipt_type: str,
        event_id: EventId,
        thread_id: str = UNTHREADED,
        ts: int | None = None,
    ) -> None:
        """Move a user's m.read or m.read.private to an event; it never moves back.

        ``thread_id`` is "main", the root of the thread that the event is in, or UNTHREADED; ``ts``
        is when the user read the event, if that was not now.

        Raises Forbidden for who is not in the room, NotFound for an event that is not in it, and
        InvalidParam for an event that is not in the thread.
        """
        room = await joined_room(self._directory, user_id, room_id)
        stored = await event_in_room(self._directory, room, event_id)
        if thread_id != UNTHREADED:
            await self._check_thread(room, stored, thread_id)
        receipt = ReceiptRow(
            room_nid=room.nid,
            user_id=user_id,
            receipt_type=receipt_type,
            thread_id=thread_id,
            event_id=event_id,
            ts=self._clock.now_ms() if ts is None else ts,
            position=0,  # given when it is written
            read_position=stored.position,
            read_sub=stored.sub,
            read_ordinal=stored.ordinal,
            read_room_highlight_ordinal=stored.room_highlight_ordinal,
        )
        await self._store_receipt(room, receipt)

    async def _check_thread(self, room: RoomView, stored: StoredEvent, thread_id: str) -> None:
        if thread_id == stored.event.event_id:
            return  # the root of the thread, which is in the main timeline as well
        if thread_id != await self._thread_of(room, stored):
            raise InvalidParam("The event is not in this thread")

    async def _thread_of(self, room: RoomView, stored: StoredEvent) -> str:
        for _ in range(MAX_HOPS):
            if stored.thread_root is not None:
                break
            relation = relation_of(stored.event.content)
            if relation is None or relation.target_event_id is None:
                break
            try:
                stored = await event_in_room(self._directory, room, relation.target_event_id)
            except NotFound:
                break
        return stored.thread_root or MAIN

    async def _store_receipt(self, room: RoomView, receipt: ReceiptRow) -> None:
        key = (receipt.user_id, receipt.receipt_type, receipt.thread_id)
        stored = room.receipts.get(key)
        if stored is not None and receipt.read_order <= stored.read_order:
            return
        moving = self._moving.get(room.nid)
        if moving is None:
            moving = self._moving[room.nid] = _Moving()
            moving.next.receipts[key] = receipt
            done = moving.next.stored()
            Deferred.fromCoroutine(self._write(room, moving))
            await done
            return
        for batch in (moving.next, moving.writing):
            ahead = batch.receipts.get(key)
            if ahead is not None and receipt.read_order <= ahead.read_order:
                await batch.stored()
                return
        moving.next.receipts[key] = receipt
        await moving.next.stored()

    async def _write(self, room: RoomView, moving: _Moving) -> None:
        """Write what has come, and what comes meanwhile, until nothing does."""
        while moving.next.receipts:
            moving.writing, moving.next = moving.next, _Batch()
            batch = moving.writing
            try:
                await self._append(room, list(batch.receipts.values()))
            except Exception as error:
                for waiting in batch.waiting:
                    waiting.errback(error)
            else:
                for waiting in batch.waiting:
                    waiting.callback(None)
        del self._moving[room.nid]

    async def _append(self, room: RoomView, receipts: list[ReceiptRow]) -> None:
        position = self._log.next_position(room.shard)
        rows = tuple(attrs.evolve(receipt, position=position) for receipt in receipts)

        def work(tx: Transaction) -> None:
            self._store.put(tx, rows)

        await self._log.append(ReceiptEntry(room.shard, position, room.nid, rows), work)
