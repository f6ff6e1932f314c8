"""When and from where devices were last seen, written in bulk and never by a request."""

from __future__ import annotations

import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.domain.requester import Requester
from homeserver.ports.accounts.devices import DeviceSeen, DeviceStore
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull

FLUSH_SECONDS = 60.0
MAX_WAITING = 50_000
"""How many devices may wait to be written; while the database is away others are not noted."""

_MAX_USER_AGENT = 512

log = structlog.get_logger(__name__)


class LastSeen:
    """Collects sightings of devices and writes the newest of each about once a minute."""

    def __init__(self, devices: DeviceStore, clock: Clock) -> None:
        self._devices = devices
        self._clock = clock
        self._waiting: dict[tuple[UserId, DeviceId], tuple[int, str, str]] = {}
        """By device: when, from which address, by which program."""
        self._scheduled = False

    def note(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        """Note that a session made a request. Does no I/O."""
        device_id = requester.device_id
        if device_id is None:
            return
        key = (requester.user_id, device_id)
        if len(self._waiting) >= MAX_WAITING and key not in self._waiting:
            return
        self._waiting[key] = (now_ms, address, user_agent)
        if not self._scheduled:
            self._scheduled = True
            self._clock.call_later(FLUSH_SECONDS, self._flush_later)

    async def flush(self) -> None:
        """Write what is waiting; also when the server stops."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        sightings = [
            DeviceSeen(user_id, device_id, ts, address, _storable(user_agent))
            for (user_id, device_id), (ts, address, user_agent) in waiting.items()
        ]
        try:
            await self._devices.seen(sightings)
        except (DatabaseDown, DatabaseFull) as error:
            log.warning("last_seen_not_written", devices=len(waiting), error=str(error))
            self._waiting = {**waiting, **self._waiting}

    def _flush_later(self) -> None:
        self._scheduled = False
        Deferred.fromCoroutine(self.flush()).addErrback(
            lambda failure: log.error("last_seen_failed", exc_info=failure.value)
        )


def _storable(user_agent: str) -> str:
    return user_agent.replace("\0", "")[:_MAX_USER_AGENT]
