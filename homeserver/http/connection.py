"""One connection: how long it may take to say something."""

from __future__ import annotations

from typing import Any, Final, cast

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
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
        self._seconds = reactor.seconds
        self._until_progress = 0
        self._peer: IAddress | None = None
        self._host: IAddress | None = None
        self._deadline: float | None = None
        self._timer: IDelayedCall | None = None

    @property
    def target(self) -> tuple[bytes, bytes]:
        """Method and target of the request whose headers have arrived."""
        channel: Any = self
        return channel._command, channel._path

    # Every request asks both, and a transport makes a new object for every answer.

    def getPeer(self) -> IAddress:
        if self._peer is None:
            self._peer = super().getPeer()
        return self._peer

    def getHost(self) -> IAddress:
        if self._host is None:
            self._host = super().getHost()
        return self._host

    def dataReceived(self, data: bytes) -> None:
        self._until_progress -= len(data)
        if self._until_progress < 0:
            self._until_progress = PROGRESS_BYTES
            self.resetTimeout()
        LineReceiver.dataReceived(self, data)

    def allContentReceived(self) -> None:
        self._until_progress = 0  # the first byte of the next request gives it time
        super().allContentReceived()

    def setTimeout(self, period: float | None) -> float | None:
        previous, self.timeOut = self.timeOut, period
        self.resetTimeout()
        return cast("float | None", previous)

    def resetTimeout(self) -> None:
        # Twice a request, so there is one timer a connection, which looks whether it is time yet.
        if self.timeOut is None:
            self._deadline = None
            return
        self._deadline = self._seconds() + self.timeOut
        if self._timer is None:
            self._timer = self.callLater(self.timeOut, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        remaining = self._deadline - self._seconds()
        if remaining > 0:
            self._timer = self.callLater(remaining, self._look_at_time)
            return
        self._deadline = None
        self.timeoutConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

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
