"""Sending a file without waiting for the disk on the reactor's thread."""

from __future__ import annotations

import os
from io import FileIO
from typing import Final

import structlog
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.http import Request
from zope.interface import implementer

from homeserver.ports.threads import RunInThread

BLOCK_BYTES: Final = 256 * 1024

# Linux reads what is in memory and says so when it is not; elsewhere every block is read on another
# thread.
_WITHOUT_WAITING: Final[int] = getattr(os, "RWF_NOWAIT", 0)

log = structlog.get_logger(__name__)


@implementer(IPushProducer)
class FileStream:
    """Writes ``length`` bytes of a file from ``offset`` to a response, as fast as they leave."""

    def __init__(
        self, request: Request, file: FileIO, offset: int, length: int, run_in_thread: RunInThread
    ) -> None:
        self._request = request
        self._file = file
        self._offset = offset
        self._end = offset + length
        self._run_in_thread = run_in_thread
        self._stopped = False
        self._resumed: Deferred[None] | None = None

    async def send(self) -> bool:
        """Send and close the file; False when the client has gone or the file is too short."""
        self._request.registerProducer(self, True)
        with self._file:
            while self._offset < self._end:
                block = self._from_memory() or await self._from_disk()
                if self._stopped:
                    return False
                if not block:
                    log.error("file_too_short", offset=self._offset, expected=self._end)
                    break
                self._offset += len(block)
                self._request.write(block)
                if self._resumed is not None:
                    await self._resumed
        self._request.unregisterProducer()
        return self._offset == self._end

    def pauseProducing(self) -> None:
        """Called when the client does not take any more for now."""
        if self._resumed is None:
            self._resumed = Deferred()

    def resumeProducing(self) -> None:
        """Called when the client takes more."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.callback(None)

    def stopProducing(self) -> None:
        """Called when the client has gone."""
        self._stopped = True
        self.resumeProducing()

    def _from_memory(self) -> bytes | None:
        """The next block, or what there is of it without waiting."""
        if not _WITHOUT_WAITING:
            return None
        block = bytearray(min(BLOCK_BYTES, self._end - self._offset))
        try:
            count = os.preadv(self._file.fileno(), [block], self._offset, _WITHOUT_WAITING)
        except OSError:
            return None  # it is not in memory, or this file system cannot tell
        return bytes(memoryview(block)[:count])

    async def _from_disk(self) -> bytes:
        size = min(BLOCK_BYTES, self._end - self._offset)
        return await self._run_in_thread(os.pread, self._file.fileno(), size, self._offset)
