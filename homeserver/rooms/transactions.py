"""Transaction identifiers of a room: a repeated request gets the first one's event.

Client-server API, "Transaction identifiers". What a device used is remembered while the room is in
memory; the first time a device sends after that, its newest transactions are read back. A unique
index stands behind both.
"""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.rooms.rooms import EventStore

REMEMBERED = 500
READ_BACK = 100

Key = tuple[UserId, str, str, str]
"""Sender, device, transaction id, event type."""


class TransactionIds:
    """The transaction ids used in one room."""

    def __init__(self, room_nid: int, store: EventStore) -> None:
        self._room_nid = room_nid
        self._store = store
        self._known: OrderedDict[Key, EventId] = OrderedDict()
        self._devices: set[tuple[UserId, str]] = set()
        self._running: dict[Key, list[Deferred[None]]] = {}

    async def event_of(self, key: Key) -> EventId | None:
        """The event that was sent under this transaction id, after waiting for one that is being
        sent. When there is none the caller sends, between ``start`` and ``finish``."""
        sender, device_id, _, _ = key
        if (sender, device_id) not in self._devices:
            used = await self._store.transactions(self._room_nid, sender, device_id, READ_BACK)
            for txn_id, type, event_id in reversed(used):
                self._remember((sender, device_id, txn_id, type), event_id)
            self._devices.add((sender, device_id))
        while key in self._running:
            waiting: Deferred[None] = Deferred()
            self._running[key].append(waiting)
            await waiting
        return self._known.get(key)

    def start(self, key: Key) -> None:
        """A request begins to send under this id."""
        self._running[key] = []

    def finish(self, key: Key, event_id: EventId | None) -> None:
        """It has sent ``event_id``, or failed (None)."""
        if event_id is not None:
            self._remember(key, event_id)
        for waiting in self._running.pop(key, []):
            waiting.callback(None)

    def _remember(self, key: Key, event_id: EventId) -> None:
        self._known[key] = event_id
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
