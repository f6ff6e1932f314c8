"""Sending files without waiting for the disk on the reactor's thread.

Over plain TCP on Linux the kernel sends them, and their bytes never come into this process: that
takes half the time of the best that can be done in Python.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final, Protocol

import structlog
from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.web.http import Request
from zope.interface import implementer

from homeserver.http.file_part import FilePart
from homeserver.ports.threads import RunInThread

BLOCK_BYTES: Final = 256 * 1024
"""How much is read into this process at once."""

TURN_BYTES: Final = 1024 * 1024
"""How much the kernel sends before others get their turn."""

log = structlog.get_logger(__name__)


class FileTransfer(Protocol):
    """Sends a part of a file as the body of a response."""

    async def send(self) -> bool:
        """Send and close the file; False when the client has gone or the file is too short."""
        ...

    def stopProducing(self) -> None:
        """The client has gone."""
        ...


def file_transfer(request: Request, part: FilePart, run_in_thread: RunInThread) -> FileTransfer:
    """The best way to answer a request with a part of a file; its headers are set."""
    transport: Any = request.channel.transport
    if sys.platform == "linux" and isinstance(transport, tcp.Connection) and not transport.TLS:
        return KernelTransfer(request, transport, part, run_in_thread)
    return BlockTransfer(request, part, run_in_thread)


@implementer(IPushProducer)
class BlockTransfer:
    """Reads blocks on other threads and writes them to the response as fast as they leave."""

    def __init__(self, request: Request, part: FilePart, run_in_thread: RunInThread) -> None:
        self._request = request
        self._part = part
        self._run_in_thread = run_in_thread
        self._stopped = False
        self._resumed: Deferred[None] | None = None

    async def send(self) -> bool:
        """See :class:`FileTransfer`."""
        self._request.registerProducer(self, True)
        with self._part.file:
            while self._part.length > 0:
                if self._resumed is not None:
                    await self._resumed
                block = await self._run_in_thread(self._part.read, BLOCK_BYTES)
                if self._stopped:
                    return False
                if not block:
                    log.error("file_too_short", missing=self._part.length)
                    break
                self._part.advance(len(block))
                self._request.write(block)
        self._request.unregisterProducer()
        return self._part.length == 0

    def pauseProducing(self) -> None:
        """The client does not take any more for now."""
        if self._resumed is None:
            self._resumed = Deferred()

    def resumeProducing(self) -> None:
        """The client takes more."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.callback(None)

    def stopProducing(self) -> None:
        """The client has gone."""
        self._stopped = True
        self.resumeProducing()


@implementer(IPullProducer)
class KernelTransfer:
    """Has the kernel copy the file to the socket, whenever all that was written before has left.

    Meanwhile it takes the place of the transport's producer, which is the HTTP channel.
    """

    def __init__(
        self,
        request: Request,
        transport: tcp.Connection,
        part: FilePart,
        run_in_thread: RunInThread,
    ) -> None:
        self._request = request
        self._transport = transport
        self._part = part
        self._run_in_thread = run_in_thread
        self._stopped = False
        self._writable: Deferred[None] | None = None

    async def send(self) -> bool:
        """See :class:`FileTransfer`."""
        with self._part.file:
            self._request.write(b"")  # the headers
            channel = self._transport.producer
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, False)
            complete = await self._send_turns()
        if not self._stopped:
            self._transport.unregisterProducer()
            self._transport.registerProducer(channel, True)
        return complete

    async def _send_turns(self) -> bool:
        part = self._part
        while part.length > 0:
            await self._until_writable()
            if not part.is_cached(TURN_BYTES):
                await self._run_in_thread(part.read, TURN_BYTES)
            if self._stopped:
                return False
            size = min(TURN_BYTES, part.length)
            try:
                sent = os.sendfile(self._transport.fileno(), part.file.fileno(), part.offset, size)
            except BlockingIOError:
                continue
            except OSError as error:
                log.info("file_not_sent", error=str(error))
                self._transport.abortConnection()
                return False
            if sent == 0:
                log.error("file_too_short", missing=part.length)
                return False
            part.advance(sent)
        return True

    async def _until_writable(self) -> None:
        self._writable = Deferred()
        self._transport.startWriting()
        await self._writable

    def resumeProducing(self) -> None:
        """All that was written before has left, and there is room for more."""
        writable, self._writable = self._writable, None
        if writable is not None:
            writable.callback(None)

    def stopProducing(self) -> None:
        """The client has gone."""
        self._stopped = True
        self.resumeProducing()
