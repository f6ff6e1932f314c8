"""The HTTP server: Twisted's protocol below, the dispatcher above.

Bodies are spooled to a temporary file once they are large, and one that exceeds what its route
takes is refused while it still arrives.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, Protocol, TypeVar, cast

import structlog
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http_headers import Headers

from homeserver.domain.errors import InvalidParam, MatrixError, Overloaded, StorageFull, TooLarge
from homeserver.http.answers import Answer, FileAnswer, error_answer
from homeserver.http.connection import Connection
from homeserver.http.dispatch import Dispatcher
from homeserver.http.file_transfers import FileTransfer, file_transfer
from homeserver.http.request import Request
from homeserver.http.routes import Route
from homeserver.http.spool import IN_MEMORY_BYTES, open_spool
from homeserver.ports.threads import RunInThread

P = ParamSpec("P")
T = TypeVar("T")

# "Web Browser Clients" of the client-server API.
CORS = (
    (b"Access-Control-Allow-Origin", [b"*"]),
    (b"Access-Control-Allow-Methods", [b"GET, POST, PUT, DELETE, OPTIONS"]),
    (b"Access-Control-Allow-Headers", [b"X-Requested-With, Content-Type, Authorization, Date"]),
    (b"Access-Control-Expose-Headers", [b"Retry-After, ETag"]),
)
# How long browsers may remember the above, in seconds.
PREFLIGHT = Answer(b"", 200, b"text/plain", ((b"Access-Control-Max-Age", b"86400"),))

READ_BYTES = 64 * 1024
UPLOAD_READ_BYTES = 256 * 1024
"""How much is read from a connection at once, and while a large body arrives."""

LINGER_SECONDS = 10.0
"""How long a client may go on sending a body that was refused."""

log = structlog.get_logger(__name__)

_request_numbers = itertools.count(1)


PLAIN_HEAD = b"HTTP/1.1 200 OK\r\n" + b"".join(
    b"%s: %s\r\n" % (name, value) for name, values in CORS for value in values
)


class RequestHeaders:
    """See :class:`homeserver.http.request.RequestHeaders`."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def get(self, name: str, /) -> str | None:
        values = self._headers.getRawHeaders(name.encode())
        return values[-1].decode("utf-8", "replace") if values else None

    def get_all(self, name: str, /) -> list[str]:
        values = self._headers.getRawHeaders(name.encode(), [])
        return [value.decode("utf-8", "replace") for value in values]


class HttpRequest(http.Request):
    """One request on a connection."""

    def __init__(self, channel: http.HTTPChannel, *args: Any, **kwargs: Any) -> None:
        super().__init__(channel, *args, **kwargs)
        self._factory = cast("MatrixFactory", channel.factory)
        self._received_bytes = 0
        self._most_bytes = IN_MEMORY_BYTES
        self._deferred: Deferred[Answer] | None = None
        self._route: Route | None = None
        self._disconnected = False
        self.refused = False
        self._transfer: FileTransfer | None = None
        self._kept: BinaryIO | None = None
        self._counted = False
        self._started = time.monotonic()

    def parseCookies(self) -> None:
        """Nobody reads them."""

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # Not Twisted's own, which reads forms into memory.
        assert self.content is not None
        self.content.seek(0)
        self.method, self.uri, self.clientproto = command, path, version
        self.process()

    def gotLength(self, length: int | None) -> None:
        if length is not None and length <= IN_MEMORY_BYTES:
            super().gotLength(length)
            return
        try:
            self._most_bytes = self._most_bytes_of_route()
            if length is not None and length > self._most_bytes:
                raise TooLarge()
            self.content = self._spool()
        except MatrixError as error:
            self._refuse_body(error)
            super().gotLength(0)
            return
        # Fewer and larger reads: their number is most of what an upload costs.
        self._set_read_bytes(UPLOAD_READ_BYTES)

    def _spool(self) -> BinaryIO:
        try:
            return open_spool(self._factory.spool_directory)
        except OSError as error:
            log.error("body_not_spooled", error=str(error))
            raise StorageFull() from error

    def _most_bytes_of_route(self) -> int:
        """How large the body may be. Raises MatrixError when nobody wants it."""
        method, target = cast("Connection", self.channel).target
        if method == b"OPTIONS":
            return IN_MEMORY_BYTES
        path, _ = _path_and_query(target)
        dispatcher = self._factory.dispatcher
        route, _ = dispatcher.router.find(method.decode("ascii", "replace"), path)
        if route.streams_body:
            return self._factory.max_upload_bytes
        return dispatcher.max_body_bytes(route)

    def _set_read_bytes(self, size: int) -> None:
        # Of Twisted's TCP transport; others, such as that of TLS, do not mind.
        cast("Any", self.channel.transport).bufferSize = size

    def handleContentChunk(self, data: bytes) -> None:
        if self.refused:
            return
        self._received_bytes += len(data)
        if self._received_bytes > self._most_bytes:
            self._refuse_body(TooLarge())
            return
        try:
            super().handleContentChunk(data)
        except OSError as error:
            log.error("body_not_spooled", error=str(error))
            self._refuse_body(StorageFull())

    def _refuse_body(self, error: MatrixError) -> None:
        """Answer while the body still arrives, so without an answer of the request's own.

        What is still under way is read and thrown away for a time: a client whose data meets a
        closed connection may never see the answer.
        """
        self.refused = True
        body = error_answer(error).body
        transport = self.channel.transport
        if transport is None:
            return
        transport.write(
            b"HTTP/1.1 %d %s\r\nConnection: close\r\n"
            b"Access-Control-Allow-Origin: *\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s"
            % (error.status, http.RESPONSES[error.status], len(body), body)
        )
        self._factory.reactor.callLater(LINGER_SECONDS, transport.loseConnection)

    def process(self) -> None:
        if self.refused:
            self.channel.loseConnection()
            return
        self._set_read_bytes(READ_BYTES)
        self._started = time.monotonic()
        method = self.method.decode("ascii", "replace")
        if method == "OPTIONS":
            self._send(PREFLIGHT)
            return
        dispatcher = self._factory.dispatcher
        try:
            if self._factory.in_flight.ended:
                raise Overloaded(1000, "The server is stopping")
            path, query = _path_and_query(self.uri)
            route, parameters = dispatcher.router.find(method, path)
        except MatrixError as error:
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
            headers=RequestHeaders(self.requestHeaders),
            content=cast("BinaryIO", self.content),
            content_length=self._received_bytes,
            address=self._client_address(),
            received_ms=int(time.time() * 1000),
            id=f"{next(_request_numbers):x}",
            json_depth=dispatcher.limits.json_depth,
            raw_target=self.uri,
        )
        self._deferred = Deferred.fromCoroutine(dispatcher.answer(route, request))
        self._deferred.addCallback(self._send).addErrback(self._failed)

    def _client_address(self) -> str:
        if self._factory.x_forwarded:
            forwarded = self.requestHeaders.getRawHeaders(b"x-forwarded-for")
            if forwarded:
                candidate = forwarded[-1].split(b",")[-1].strip().decode("ascii", "replace")
                try:
                    return str(ip_address(candidate))
                except ValueError:
                    pass  # not an address: fall back to the peer's
        address = str(getattr(self.getClientAddress(), "host", ""))
        # A listener on :: has clients of both families.
        return address.removeprefix("::ffff:")

    def _done(self) -> None:
        if self._counted:
            self._counted = False
            self._factory.in_flight.end()
        if self._kept is not None:
            self._kept.close()

    def _failed(self, failure: Failure) -> None:
        self._done()
        # The dispatcher maps the errors of handlers: what comes here is a request that was
        # cancelled, or a fault in sending.
        if failure.check(CancelledError) is None:
            path = None if self._route is None else self._route.paths[0]
            log.error("answer_failed", path=path, exc_info=failure.value)
        if not self._disconnected:
            self.channel.loseConnection()

    def _send(self, answer: Answer) -> None:
        if self._disconnected:
            self._done()
            if isinstance(answer, FileAnswer):
                answer.part.close()
            return
        self.setResponseCode(answer.status)
        if self._is_plain(answer):
            self._send_plain(answer)
            return
        headers = self.responseHeaders
        for name, values in CORS:
            headers.setRawHeaders(name, values)
        if self._factory.in_flight.ending:
            self.channel.persistent = False
            headers.setRawHeaders(b"Connection", [b"close"])
        headers.setRawHeaders(b"Content-Type", [answer.content_type])
        for name, value in answer.headers:
            headers.addRawHeader(name, value)
        if isinstance(answer, FileAnswer):
            self._send_file(answer)
            return
        if answer.status not in http.NO_BODY_CODES:
            headers.setRawHeaders(b"Content-Length", [b"%d" % len(answer.body)])
        if self.method != b"HEAD":
            self.write(answer.body)
        self._observe()
        self._done()
        self.finish()

    def _is_plain(self, answer: Answer) -> bool:
        """Whether the answer has the headers that every answer has, and no others."""
        return (
            answer.status == 200
            and type(answer) is Answer
            and not answer.headers
            and self.method != b"HEAD"
            and self.clientproto == b"HTTP/1.1"
            and not self._factory.in_flight.ending
            and not any(True for _ in self.responseHeaders.getAllRawHeaders())
        )

    def _send_plain(self, answer: Answer) -> None:
        # Nearly every answer. Setting and checking each header anew costs a sixth of a request.
        self.startedWriting = 1
        head = b"%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
            PLAIN_HEAD,
            answer.content_type,
            len(answer.body),
        )
        self.channel.writeSequence([head, answer.body])
        self._observe()
        self._done()
        self.finish()

    def _send_file(self, answer: FileAnswer) -> None:
        self.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % answer.part.length])
        if self.method == b"HEAD":
            answer.part.close()
            self._done()
            self.finish()
            return
        self._transfer = file_transfer(self, answer.part, self._factory.run_in_thread)
        Deferred.fromCoroutine(self._transfer.send()).addCallbacks(self._file_sent, self._failed)

    def _file_sent(self, complete: bool) -> None:
        self._done()
        if self._disconnected:
            return
        self._observe()
        if complete:
            self.finish()
        else:
            self.channel.loseConnection()

    def _observe(self) -> None:
        self._factory.dispatcher.observe(
            self._route,
            self.method.decode("ascii", "replace"),
            self.code,
            time.monotonic() - self._started,
        )

    def connectionLost(self, reason: Failure) -> None:
        self._disconnected = True
        if self._transfer is not None:
            self._transfer.stopProducing()
        if self._deferred is not None and self._route is not None and self._route.method == "GET":
            # Nobody waits for the answer to a read; writes are carried out to their end.
            self._deferred.cancel()
        if self._counted:
            self._kept, self.content = cast("BinaryIO", self.content), None
        super().connectionLost(reason)


def _path_and_query(target: bytes) -> tuple[str, str]:
    try:
        path, _, query = target.decode("ascii").partition("?")
    except UnicodeDecodeError:
        raise InvalidParam("The request's target is not ASCII") from None
    return path, query


def _on_reactors_threads(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    return deferToThread(work, *args, **kwargs)


class InFlight(Protocol):
    """Who counts the requests that are being answered, until the server stops.

    Once it is ``ending``, a connection closes with the answer it waits for; when it has ``ended``,
    nothing is answered any more.
    """

    ending: bool
    ended: bool

    def begin(self) -> None:
        """A request arrived."""
        ...

    def end(self) -> None:
        """It was answered, or its client has gone."""
        ...


class MatrixFactory(ServerFactory):
    """Makes the connections of a listener.

    Large bodies are spooled in ``spool_directory``, by default the system's for temporary files:
    on the file system where media is stored they need not be copied there. ``run_in_thread`` reads
    from disk what is sent. ``idle_seconds`` is how long a connection may say nothing, or take for a
    request.
    """

    noisy = False

    def __init__(
        self,
        dispatcher: Dispatcher,
        reactor: IReactorTime,
        *,
        max_upload_bytes: int,
        in_flight: InFlight,
        x_forwarded: bool = False,
        spool_directory: Path | None = None,
        run_in_thread: RunInThread = _on_reactors_threads,
        idle_seconds: float = 120,
    ) -> None:
        self.reactor = reactor
        self.idle_seconds = idle_seconds
        self.dispatcher = dispatcher
        self.max_upload_bytes = max_upload_bytes
        self.in_flight = in_flight
        self.x_forwarded = x_forwarded
        self.spool_directory = spool_directory
        self.run_in_thread = run_in_thread

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        connection = Connection(self.reactor, self.idle_seconds, HttpRequest)
        connection.factory = self
        return connection

    def log(self, request: http.Request) -> None:
        """Requests are logged and counted by the dispatcher, not as an access log here."""
