"""The HTTP server: Twisted's protocol below, the dispatcher above.

Bodies are spooled to a temporary file once they are large, and a request that exceeds the largest
body any route takes is refused while it still arrives.
"""

from __future__ import annotations

import itertools
import time
from ipaddress import ip_address
from typing import Any, BinaryIO, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure
from twisted.web import http

from homeserver.domain.errors import MatrixError, MethodNotAllowed, TooLarge
from homeserver.http.answers import Answer, FileAnswer, error_answer
from homeserver.http.dispatch import Dispatcher
from homeserver.http.request import Request
from homeserver.http.routes import Route

# "Web Browser Clients" of the client-server API.
CORS = (
    (b"Access-Control-Allow-Origin", [b"*"]),
    (b"Access-Control-Allow-Methods", [b"GET, POST, PUT, DELETE, OPTIONS"]),
    (b"Access-Control-Allow-Headers", [b"X-Requested-With, Content-Type, Authorization, Date"]),
    (b"Access-Control-Expose-Headers", [b"Retry-After, ETag"]),
)
_request_numbers = itertools.count(1)


class HttpRequest(http.Request):
    """One request on a connection."""

    def __init__(self, channel: http.HTTPChannel, *args: Any, **kwargs: Any) -> None:
        super().__init__(channel, *args, **kwargs)
        self._received_bytes = 0
        self._deferred: Deferred[Answer] | None = None
        self._route: Route | None = None
        self._disconnected = False
        self._counted = False
        self._started = time.monotonic()

    @property
    def _factory(self) -> MatrixFactory:
        return cast("MatrixFactory", self.channel.factory)

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        if length is not None and length > self._factory.max_upload_bytes:
            self._refuse_body()
        super().gotLength(min(length or 0, self._factory.max_upload_bytes) if length else length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        self._received_bytes += len(data)
        if self._received_bytes > self._factory.max_upload_bytes:
            self._refuse_body()
            return
        super().handleContentChunk(data)

    def _refuse_body(self) -> None:
        # The body is still arriving, so the request has no answer of its own yet.
        body = error_answer(TooLarge()).body
        transport = self.channel.transport
        if transport is not None:
            transport.write(
                b"HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\n"
                b"Access-Control-Allow-Origin: *\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            transport.loseConnection()

    def process(self) -> None:
        self._started = time.monotonic()
        method = self.method.decode("ascii", "replace")
        path, _, query = self.uri.decode("utf-8", "surrogateescape").partition("?")
        dispatcher = self._factory.dispatcher
        if method == "OPTIONS":
            self._send(Answer(b"", 200, b"text/plain"))
            return
        try:
            route, parameters = dispatcher.router.find(method, path)
        except MatrixError as error:
            if isinstance(error, MethodNotAllowed) and method == "HEAD":
                self.method = b"HEAD"
            self._send(error_answer(error))
            return
        self._route = route
        self._counted = True
        self._factory.in_flight.begin()
        assert self.content is not None
        request = Request(
            method=method,
            path=path,
            parameters=parameters,
            query_string=query,
            headers={
                name.decode("latin-1").lower(): values[-1].decode("utf-8", "replace")
                for name, values in self.requestHeaders.getAllRawHeaders()
            },
            content=cast("BinaryIO", self.content),
            content_length=self._received_bytes,
            address=self._client_address(),
            received_ms=int(time.time() * 1000),
            id=f"{next(_request_numbers):x}",
        )
        self._deferred = Deferred.fromCoroutine(dispatcher.answer(route, request))
        self._deferred.addCallbacks(self._send, self._failed)

    def _client_address(self) -> str:
        if self._factory.x_forwarded:
            forwarded = self.requestHeaders.getRawHeaders(b"x-forwarded-for")
            if forwarded:
                candidate = forwarded[-1].split(b",")[-1].strip().decode("ascii", "replace")
                try:
                    return str(ip_address(candidate))
                except ValueError:
                    pass  # not an address: fall back to the peer's
        return str(getattr(self.getClientAddress(), "host", ""))

    def _done(self) -> None:
        if self._counted:
            self._counted = False
            self._factory.in_flight.end()

    def _failed(self, failure: Failure) -> None:
        self._done()
        # Only a cancelled request comes here: the dispatcher maps every other error.
        if not self._disconnected:
            self.channel.loseConnection()

    def _send(self, answer: Answer) -> None:
        if self._disconnected:
            self._done()
            return
        self.setResponseCode(answer.status)
        headers = self.responseHeaders
        for name, values in CORS:
            headers.setRawHeaders(name, values)
        headers.setRawHeaders(b"Content-Type", [answer.content_type])
        for name, value in answer.headers:
            headers.addRawHeader(name, value)
        if isinstance(answer, FileAnswer):
            self._send_file(answer)
            return
        headers.setRawHeaders(b"Content-Length", [b"%d" % len(answer.body)])
        if self.method != b"HEAD":
            self.write(answer.body)
        self._observe()
        self._done()
        self.finish()

    def _send_file(self, answer: FileAnswer) -> None:
        self.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % answer.size])
        if self.method == b"HEAD":
            self._done()
            self.finish()
            return
        file = answer.path.open("rb")
        sender = FileSender()
        # Large blocks: one write for each costs more than the memory it holds.
        sender.CHUNK_SIZE = 256 * 1024
        sent = sender.beginFileTransfer(file, self)

        def done(_: object) -> None:
            file.close()
            self._done()
            if not self._disconnected:
                self._observe()
                self.finish()

        sent.addBoth(done)

    def _observe(self) -> None:
        self._factory.dispatcher.observe(
            self._route,
            self.method.decode("ascii", "replace"),
            self.code,
            time.monotonic() - self._started,
        )

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        self._disconnected = True
        if self._deferred is not None and self._route is not None and self._route.method == "GET":
            # Nobody waits for the answer to a read; writes are carried out to their end.
            self._deferred.cancel()
        super().connectionLost(reason)


class InFlight(Protocol):
    """Who counts the requests that are being answered."""

    def begin(self) -> None:
        """A request arrived."""
        ...

    def end(self) -> None:
        """It was answered, or its client has gone."""
        ...


class MatrixFactory(http.HTTPFactory):
    """A listener's factory."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        reactor: IReactorTime,
        *,
        max_upload_bytes: int,
        in_flight: InFlight,
        x_forwarded: bool = False,
        idle_seconds: int = 120,
    ) -> None:
        super().__init__(timeout=idle_seconds, reactor=reactor)
        self.dispatcher = dispatcher
        self.max_upload_bytes = max_upload_bytes
        self.in_flight = in_flight
        self.x_forwarded = x_forwarded

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        if protocol is not None:
            protocol.requestFactory = HttpRequest
        return protocol

    def log(self, request: http.Request) -> None:
        """Requests are logged and counted by the dispatcher, not as an access log here."""
