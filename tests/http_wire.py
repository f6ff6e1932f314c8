"""Requests through the HTTP server as bytes, over a real socket and without a running reactor."""

from __future__ import annotations

import select
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
from twisted.internet import tcp
from twisted.internet.task import Clock as TwistedClock
from twisted.python.failure import Failure

from homeserver.http.dispatch import Dispatcher
from homeserver.http.transport import InFlight, MatrixFactory

_STEPS = 10_000


@attrs.frozen
class WireResponse:
    """A response; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Watch:
    """The part of a reactor that sockets need: who wants to read and who to write."""

    def __init__(self) -> None:
        self.readers: list[Any] = []
        self.writers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.removeReader(reader)
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers = [each for each in self.readers if each is not reader]

    def addWriter(self, writer: Any) -> None:
        self.removeWriter(writer)
        self.writers.append(writer)

    def removeWriter(self, writer: Any) -> None:
        self.writers = [each for each in self.writers if each is not writer]

    def turn(self) -> None:
        """Let everybody read and write who can."""
        readable, writable, _ = select.select(self.readers, self.writers, [], 0)
        for end in readable:
            _disconnect(end, end.doRead())
        for end in writable:
            if end in self.writers:
                _disconnect(end, end.doWrite())


def _disconnect(end: Any, reason: Exception | None) -> None:
    if reason is not None:
        end.connectionLost(Failure(reason))


class NobodyCounts:
    """See :class:`homeserver.http.transport.InFlight`."""

    ending = False
    ended = False

    def begin(self) -> None:
        pass

    def end(self) -> None:
        pass


async def run_here(work: Any, *args: Any, **kwargs: Any) -> Any:
    """See :class:`homeserver.ports.threads.RunInThread`."""
    return work(*args, **kwargs)


class HttpWire:
    """A client's connection to a dispatcher. Used inside ``with``."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        max_upload_bytes: int,
        spool_directory: Path | None = None,
        in_flight: InFlight | None = None,
        x_forwarded: bool = False,
    ) -> None:
        self.watch = Watch()
        self.clock = TwistedClock()
        self.client, server, peer = _connected_sockets()
        factory = MatrixFactory(
            dispatcher,
            self.clock,
            max_upload_bytes=max_upload_bytes,
            in_flight=in_flight or NobodyCounts(),
            x_forwarded=x_forwarded,
            spool_directory=spool_directory,
            run_in_thread=run_here,
        )
        protocol: Any = factory.buildProtocol(None)
        watch: Any = self.watch
        listener: Any = None
        self.transport = tcp.Server(server, protocol, peer, listener, 1, watch)
        self.transport.startReading()
        protocol.makeConnection(self.transport)
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()
        if self.transport.connected:
            self.transport.connectionLost(Failure(ConnectionError("the test is over")))

    def request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> WireResponse:
        """Send a request and read its response, which must come without anything else happening."""
        sent = {"Host": "hs", "Content-Length": str(len(body)), **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items()), "", ""]
        self.send("\r\n".join(lines).encode() + body)
        return self.response(has_body=method != "HEAD")

    def send(self, data: bytes) -> None:
        """Send bytes, as far as the server takes them."""
        view = memoryview(data)
        for _ in range(_STEPS):
            if not view:
                return
            try:
                view = view[self.client.send(view) :]
            except BlockingIOError:
                self.watch.turn()
        raise AssertionError("the server does not read")

    def response(self, *, has_body: bool = True) -> WireResponse:
        """The next response. Raises EOFError when the connection ends before it does."""
        for _ in range(_STEPS):
            found = self._parsed(has_body)
            if found is not None:
                return found
            self.watch.turn()
            self._receive()
        raise AssertionError(f"no complete response: {bytes(self._received[:500])!r}")

    def is_open(self) -> bool:
        """Whether the server keeps the connection, once it has read all that was sent."""
        for _ in range(10):
            self.watch.turn()
        return bool(self.transport.connected)

    def _receive(self) -> None:
        try:
            data = self.client.recv(1_000_000)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        self._received += data

    def _parsed(self, has_body: bool) -> WireResponse | None:
        end = self._received.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        status_line, *lines = self._received[: end - 4].decode("latin-1").split("\r\n")
        fields = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in fields}
        length = int(headers.get("content-length", "0")) if has_body else 0
        if len(self._received) < end + length:
            return None
        body = bytes(self._received[end : end + length])
        del self._received[: end + length]
        return WireResponse(int(status_line.split(" ")[1]), headers, body)


def _connected_sockets() -> tuple[socket.socket, socket.socket, Any]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, peer = listener.accept()
    for end in (client, server):
        end.setblocking(False)
        # What is sent must be there at once, not when the other side has acknowledged.
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server, peer
