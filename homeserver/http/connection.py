"""One connection: how long it may take to say something."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.protocols.basic import LineReceiver
from twisted.web import http

PROGRESS_BYTES: Final = 64 * 1024
"""How much of a request must arrive to be given as much time again."""


class Connection(http.HTTPChannel):
    """HTTP/1.1 on a connection that is closed when it is idle or slow.

    A request, and each 64 KiB of a large one, has as long to arrive as a connection may be idle:
    single bytes now and then do not keep it open.
    """

    def __init__(
        self, reactor: IReactorTime, idle_seconds: float, make_request: type[http.Request]
    ) -> None:
        super().__init__()
        self.requestFactory = make_request
        self.timeOut: Any = idle_seconds
        self.callLater: Any = reactor.callLater
        self._until_progress = 0

    @property
    def target(self) -> tuple[bytes, bytes]:
        """Method and target of the request whose headers have arrived."""
        channel: Any = self
        return channel._command, channel._path

    def dataReceived(self, data: bytes) -> None:
        self._until_progress -= len(data)
        if self._until_progress < 0:
            self._until_progress = PROGRESS_BYTES
            self.resetTimeout()
        LineReceiver.dataReceived(self, data)

    def allContentReceived(self) -> None:
        self._until_progress = 0  # the first byte of the next request gives it time
        super().allContentReceived()

    def timeoutConnection(self) -> None:
        if self._waitingForTransport:
            # An answer is still on its way. Whether it gets anywhere, the kernel watches: it ends
            # connections that take nothing (see homeserver.runtime.listeners).
            self.setTimeout(self.timeOut)
            return
        super().timeoutConnection()

    def _send100Continue(self) -> None:
        if not self.requests[-1].refused:
            super()._send100Continue()
