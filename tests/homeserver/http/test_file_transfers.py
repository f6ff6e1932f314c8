"""Files as responses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock as TwistedClock
from twisted.internet.testing import StringTransport

from homeserver.http.answers import Answer, FileAnswer
from homeserver.http.dispatch import Dispatcher
from homeserver.http.file_part import FilePart
from homeserver.http.file_transfers import BLOCK_BYTES
from homeserver.http.limits import RequestLimits
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Access, RateClass, route
from homeserver.http.transport import MatrixFactory
from tests.homeserver.media_server import TokensAreUserIds
from tests.http_wire import HttpWire, NobodyCounts, run_here

LIMIT = 100_000
GET = b"GET /file HTTP/1.1\r\nHost: hs\r\n\r\n"


class OneFile:
    """A server with one file; ``opened`` are those it has handed out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length: int | None = None
        self.offset = 0
        self.opened: list[FileIO] = []
        self.received: list[int] = []
        routes = [
            route("GET", ("/file",), self.get, access=Access.PUBLIC, section=""),
            route(
                "POST",
                ("/file",),
                self.post,
                access=Access.PUBLIC,
                rate=RateClass.NONE,
                section="",
                streams_body=True,
            ),
        ]
        self.dispatcher = Dispatcher(
            Router(routes),
            TokensAreUserIds(),
            RequestLimits(RateLimiter({}, lambda: 0.0), LIMIT),
            lambda route, method, status, seconds: None,
        )

    async def get(self, request: Request) -> Answer:
        file = self.path.open("rb", buffering=0)
        self.opened.append(file)
        length = os.fstat(file.fileno()).st_size if self.length is None else self.length
        return FileAnswer(b"", part=FilePart(file, self.offset, length))

    async def post(self, request: Request) -> Answer:
        self.received.append(len(request.body_bytes()))
        return Answer(b"{}")


@pytest.fixture
def server(tmp_path: Path) -> OneFile:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(5_000_001))
    return OneFile(path)


@pytest.fixture
def wire(server: OneFile) -> Iterator[HttpWire]:
    with HttpWire(server.dispatcher, max_upload_bytes=LIMIT) as made:
        yield made


def test_a_file_arrives_whole_and_the_connection_goes_on(server: OneFile, wire: HttpWire) -> None:
    for _ in range(2):
        response = wire.request("GET", "/file")
        assert response.status == 200
        assert response.body == server.path.read_bytes()
    assert all(file.closed for file in server.opened)


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 1), (1_234_567, 2_000_000)])
def test_a_part_of_a_file_arrives(
    server: OneFile, wire: HttpWire, offset: int, length: int
) -> None:
    server.offset, server.length = offset, length
    response = wire.request("GET", "/file")
    assert response.headers["content-length"] == str(length)
    assert response.body == server.path.read_bytes()[offset : offset + length]


def test_head_has_the_headers_alone(server: OneFile, wire: HttpWire) -> None:
    response = wire.request("HEAD", "/file")
    assert response.headers["content-length"] == "5000001"
    assert wire.request("GET", "/file").status == 200
    assert all(file.closed for file in server.opened)


def test_a_file_that_is_too_short_ends_the_connection(server: OneFile, wire: HttpWire) -> None:
    server.length = 6_000_000
    with pytest.raises(EOFError):
        wire.request("GET", "/file")
    assert server.opened[0].closed


def test_a_client_that_leaves_lets_the_file_go(server: OneFile, wire: HttpWire) -> None:
    wire.send(GET)
    for _ in range(10):
        wire.watch.turn()
    assert not server.opened[0].closed

    wire.client.close()
    for _ in range(10):
        wire.watch.turn()

    assert server.opened[0].closed


class Slow(StringTransport):
    """Takes no more after each write, until it is told to."""

    def write(self, data: bytes) -> None:
        StringTransport.write(self, data)
        producer: Any = self.producer
        producer.pauseProducing()


@pytest.mark.parametrize("make_transport", [StringTransport, Slow])
def test_over_other_transports_the_same_arrives_as_fast_as_they_take_it(
    server: OneFile, make_transport: Any
) -> None:
    factory = MatrixFactory(
        server.dispatcher,
        TwistedClock(),
        max_upload_bytes=LIMIT,
        in_flight=NobodyCounts(),
        run_in_thread=run_here,
    )
    protocol: Any = factory.buildProtocol(None)
    transport = make_transport()
    protocol.makeConnection(transport)
    protocol.dataReceived(GET)

    while not server.opened[0].closed:
        before = len(transport.value())
        transport.producer.resumeProducing()
        assert len(transport.value()) - before <= BLOCK_BYTES

    _, _, body = transport.value().partition(b"\r\n\r\n")
    assert body == server.path.read_bytes()


def test_a_body_that_is_announced_too_large_is_refused_and_read_to_its_end(
    server: OneFile, wire: HttpWire
) -> None:
    response = wire.request("POST", "/file", b"x" * (LIMIT + 1))
    assert response.status == 413
    assert b"M_TOO_LARGE" in response.body
    assert server.received == []


def test_a_body_that_grows_too_large_is_refused(server: OneFile, wire: HttpWire) -> None:
    wire.send(b"POST /file HTTP/1.1\r\nHost: hs\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        wire.send(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
    assert wire.response().status == 413
    assert server.received == []


def test_who_goes_on_sending_what_was_refused_is_cut_off(server: OneFile, wire: HttpWire) -> None:
    wire.send(b"POST /file HTTP/1.1\r\nHost: hs\r\nContent-Length: 99999999\r\n\r\n")
    assert wire.response().status == 413
    wire.send(b"x" * 100_000)
    assert wire.transport.connected

    wire.clock.advance(60)
    wire.watch.turn()

    assert not wire.transport.connected


def test_a_body_of_the_largest_size_arrives(server: OneFile, wire: HttpWire) -> None:
    assert wire.request("POST", "/file", b"x" * LIMIT).status == 200
    assert server.received == [LIMIT]
