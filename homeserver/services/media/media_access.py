"""When media were last asked for, written in bulk and never by a request."""

from __future__ import annotations

import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.content_uris import MediaId
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.media.media import MediaIndex

FLUSH_SECONDS = 60.0
MAX_WAITING = 10_000
"""How many media may wait to be written; beyond that others are not noted."""

log = structlog.get_logger(__name__)


class MediaAccess:
    """Collects which media were asked for and writes it about once a minute."""

    def __init__(self, index: MediaIndex, clock: Clock) -> None:
        self._index = index
        self._clock = clock
        self._waiting: set[MediaId] = set()
        self._scheduled = False

    def note(self, media_id: MediaId) -> None:
        """Note that media was asked for. Does no I/O."""
        if len(self._waiting) >= MAX_WAITING:
            return
        self._waiting.add(media_id)
        if not self._scheduled:
            self._scheduled = True
            self._clock.call_later(FLUSH_SECONDS, self._flush_later)

    async def flush(self) -> None:
        """Write what is waiting; also when the server stops."""
        waiting, self._waiting = self._waiting, set()
        if not waiting:
            return
        try:
            await self._index.accessed(sorted(waiting), self._clock.now_ms())
        except (DatabaseDown, DatabaseFull) as error:
            log.warning("media_access_not_written", media=len(waiting), error=str(error))

    def _flush_later(self) -> None:
        self._scheduled = False
        Deferred.fromCoroutine(self.flush()).addErrback(
            lambda failure: log.error("media_access_failed", exc_info=failure.value)
        )
