"""The connections of this process: found, begun, and written behind.

What a connection was sent is written in the background when it changes, all that changed meanwhile
at once. Only its first answer waits for that; later a connection whose last change was lost goes on
from the one before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import UserId
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.personal.sliding_connections import (
    ConnectionKey,
    SavedConnection,
    SlidingConnectionStore,
)
from homeserver.sync.sliding.connections import Connection
from homeserver.sync.sliding.saved_connections import restored, saved

log = structlog.get_logger(__name__)

MOST_OF_A_DEVICE = 8
"""How many connections a device has at once; the one used last replaces the oldest."""

KEPT_MS = 30 * 24 * 3600 * 1000
"""A connection that was not used for so long expires."""

NOTED_MS = 24 * 3600 * 1000
"""So often at most it is noted that a connection is used."""

SWEEP_SECONDS = 6 * 3600

_Device = tuple[UserId, str]


class OpenConnections:
    """Every connection in use, within a budget of memory (in rooms that were sent)."""

    def __init__(
        self,
        store: SlidingConnectionStore,
        clock: Clock,
        new_secret: Callable[[], bytes],
        budget: int = 200_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_secret = new_secret
        self._budget = budget
        self._devices: OrderedDict[_Device, OrderedDict[str, Connection]] = OrderedDict()
        self._noted_ms: dict[ConnectionKey, int] = {}
        self._weights: dict[ConnectionKey, int] = {}
        self._weight = 0
        self._changed: dict[ConnectionKey, Connection] = {}
        self._is_writing = False
        clock.call_later(SWEEP_SECONDS, self._sweep)

    def known(self, key: ConnectionKey) -> Connection | None:
        """A connection that is in memory."""
        of_device = self._devices.get((key.user_id, key.device_id))
        return of_device.get(key.conn_id) if of_device is not None else None

    async def find(self, key: ConnectionKey) -> Connection | None:
        """A connection that was begun before, if it has not expired."""
        connection = self.known(key) or self._changed.get(key)
        if connection is None:
            row = await self._store.load(key)
            # Another request may have been faster.
            connection = self.known(key)
            if connection is None and row is not None:
                connection = restored(row.secret, row.state)
                self._noted_ms[key] = row.used_ms
        if connection is not None:
            self._keep(key, connection)
            if self._clock.now_ms() - self._noted_ms.get(key, 0) > NOTED_MS:
                self.changed(key, connection)
        return connection

    def begin(self, key: ConnectionKey) -> Connection:
        """A new connection, in place of what had its name."""
        self._forget(key)
        connection = Connection(self._new_secret())
        self._keep(key, connection)
        of_device = self._devices[key.user_id, key.device_id]
        while len(of_device) > MOST_OF_A_DEVICE:
            self._forget(ConnectionKey(key.user_id, key.device_id, next(iter(of_device))))
        return connection

    def changed(self, key: ConnectionKey, connection: Connection) -> None:
        """What a connection was sent has changed: it is written soon, unless another has taken its
        place."""
        if self.known(key) not in (None, connection):
            return
        self._changed[key] = connection
        self._keep(key, connection)
        if not self._is_writing:
            self._is_writing = True
            Deferred.fromCoroutine(self._write())

    async def begun(self, key: ConnectionKey, connection: Connection) -> None:
        """A new connection has its first answer: it is written now."""
        if self.known(key) is connection:
            await self._save({key: connection})

    async def _write(self) -> None:
        try:
            while self._changed:
                changed, self._changed = self._changed, {}
                await self._save(changed)
        finally:
            self._is_writing = False

    async def _save(self, connections: dict[ConnectionKey, Connection]) -> None:
        now = self._clock.now_ms()
        self._noted_ms.update(dict.fromkeys(connections, now))
        rows = [
            SavedConnection(key, connection.secret, saved(connection), now)
            for key, connection in connections.items()
        ]
        try:
            await self._store.save(rows, MOST_OF_A_DEVICE)
        except (DatabaseDown, DatabaseFull) as error:
            # They are written with the next change; until then what they were sent may be again.
            log.warning("connections_not_stored", error=str(error))

    def _keep(self, key: ConnectionKey, connection: Connection) -> None:
        device = (key.user_id, key.device_id)
        of_device = self._devices.setdefault(device, OrderedDict())
        of_device[key.conn_id] = connection
        of_device.move_to_end(key.conn_id)
        self._devices.move_to_end(device)
        self._weigh(key, connection)
        while self._weight > self._budget and len(self._devices) > 1:
            oldest = next(iter(self._devices))
            for conn_id in list(self._devices[oldest]):
                self._forget(ConnectionKey(*oldest, conn_id))

    def _weigh(self, key: ConnectionKey, connection: Connection) -> None:
        weight = connection.weight
        self._weight += weight - self._weights.get(key, 0)
        self._weights[key] = weight

    def _forget(self, key: ConnectionKey) -> None:
        self._noted_ms.pop(key, None)
        self._weight -= self._weights.pop(key, 0)
        device = (key.user_id, key.device_id)
        of_device = self._devices.get(device)
        if of_device is not None:
            of_device.pop(key.conn_id, None)
            if not of_device:
                del self._devices[device]

    def _sweep(self) -> None:
        Deferred.fromCoroutine(self._delete_unused())
        self._clock.call_later(SWEEP_SECONDS, self._sweep)

    async def _delete_unused(self) -> None:
        try:
            await self._store.delete_unused(self._clock.now_ms() - KEPT_MS)
        except (DatabaseDown, DatabaseFull) as error:
            log.warning("connections_not_expired", error=str(error))
