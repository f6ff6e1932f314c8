"""HTTP as bytes on a connection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from twisted.internet.defer import Deferred

from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.dispatch import Dispatcher
from homeserver.http.limits import RequestLimits
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.runtime.in_flight import InFlight
from tests.clock import FakeClock
from tests.homeserver.media_server import TokensAreUserIds
from tests.http_wire import HttpWire, WireResponse

MAX_BODY = 200_000
MAX_UPLOAD = 500_000


class Echo:
    """Tells what it was asked; ``/wait`` answers when ``release`` is called."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.waiting: list[Deferred[None]] = []
        self.observed: list[tuple[str, int]] = []
        self.cancelled = 0
        self.answer = EMPTY

    def routes(self) -> list[Route]:
        def public(method: str, path: str, handler: Any, **more: Any) -> Route:
            return route(
                method,
                (path,),
                handler,
                access=Access.PUBLIC,
                rate=RateClass.NONE,
                section="",
                **more,
            )

        return [
            public("GET", "/echo/{name}", self.echo),
            public("POST", "/echo/{name}", self.echo),
            public("POST", "/upload", self.echo, streams_body=True),
            public("GET", "/wait", self.wait),
            public("PUT", "/wait", self.wait),
            public("GET", "/answer", self.fixed),
        ]

    async def echo(self, request: Request) -> Answer:
        self.requests.append(request)
        self.bodies.append(request.body_bytes())
        return ok(
            {
                "method": request.method,
                "parameters": request.parameters,
                "query": request.query,
                "size": len(self.bodies[-1]),
            }
        )

    async def wait(self, request: Request) -> Answer:
        self.requests.append(request)
        waiter: Deferred[None] = Deferred()
        self.waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            self.cancelled += 1
            raise
        self.bodies.append(request.body_bytes())
        return ok({"waited": True})

    async def fixed(self, request: Request) -> Answer:
        return self.answer

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            waiter.callback(None)

    def dispatcher(self) -> Dispatcher:
        limits = RequestLimits(RateLimiter({}, lambda: 0.0), MAX_BODY, json_depth=20)
        return Dispatcher(Router(self.routes()), TokensAreUserIds(), limits, self._observe)

    def _observe(self, route: Route | None, method: str, status: int, seconds: float) -> None:
        self.observed.append((method, status))


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight(FakeClock())


@pytest.fixture
def wire(echo: Echo, in_flight: InFlight) -> Iterator[HttpWire]:
    with HttpWire(
        echo.dispatcher(), max_upload_bytes=MAX_UPLOAD, in_flight=in_flight
    ) as connection:
        yield connection


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: hs", *headers, "", ""]).encode()


def errcode(response: WireResponse) -> str:
    return str(json.loads(response.body)["errcode"])


# --- requests and answers


def test_requests_follow_each_other_on_a_connection(wire: HttpWire) -> None:
    for name in ("a", "b", "c"):
        response = wire.request("GET", f"/echo/{name}?q=1&q=2")
        assert response.status == 200
        assert response.headers["content-type"] == "application/json"
        assert f'"name":"{name}"'.encode() in response.body
        assert b'"query":{"q":["1","2"]}' in response.body
    assert wire.is_open()


def test_requests_sent_before_the_answers_are_answered_in_order(wire: HttpWire, echo: Echo) -> None:
    wire.send(b"".join(get(f"/echo/{number}") for number in range(300)))
    for number in range(300):
        assert f'"name":"{number}"'.encode() in wire.response().body
    assert [request.parameters["name"] for request in echo.requests] == [
        str(number) for number in range(300)
    ]


def test_a_request_behind_one_that_waits_is_answered_after_it(wire: HttpWire, echo: Echo) -> None:
    wire.send(get("/wait") + get("/echo/a"))
    assert wire.is_open()
    assert len(echo.requests) == 1
    echo.release()
    assert b"waited" in wire.response().body
    assert b'"name":"a"' in wire.response().body


def test_a_client_may_ask_to_close_the_connection(wire: HttpWire) -> None:
    response = wire.request("GET", "/echo/a", headers={"Connection": "close"})
    assert response.status == 200
    assert not wire.is_open()


def test_bodies_may_come_in_chunks(wire: HttpWire, echo: Echo) -> None:
    wire.send(b"POST /echo/a HTTP/1.1\r\nHost: hs\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.send(b"5\r\nhello\r\n")
    wire.send(b"6;note=x\r\n world\r\n0\r\n\r\n")
    assert wire.response().status == 200
    assert echo.bodies == [b"hello world"]


def test_large_bodies_arrive_whole(wire: HttpWire, echo: Echo) -> None:
    body = hashlib.sha256(b"").digest() * (MAX_BODY // 32)
    assert wire.request("POST", "/echo/a", body).status == 200
    assert echo.bodies == [body]


def test_forms_are_not_read_by_anybody_but_the_handler(wire: HttpWire, echo: Echo) -> None:
    body = b"--x\r\nbroken form"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert wire.request("POST", "/echo/a", body, headers=headers).status == 200
    assert echo.bodies == [body]


def test_a_client_that_asks_first_is_told_to_go_on(wire: HttpWire, echo: Echo) -> None:
    wire.send(
        b"POST /echo/a HTTP/1.1\r\nHost: hs\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert wire.response(has_body=False).status == 100
    wire.send(b"{}")
    assert wire.response().status == 200


def test_head_has_the_headers_of_get_alone(wire: HttpWire) -> None:
    length = wire.request("GET", "/echo/a").headers["content-length"]
    head = wire.request("HEAD", "/echo/a")
    assert head.status == 200
    assert int(head.headers["content-length"]) == int(length) + 1  # it says HEAD
    assert head.body == b""
    assert wire.request("GET", "/echo/a").status == 200


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_have_no_length(wire: HttpWire, echo: Echo, status: int) -> None:
    echo.answer = Answer(b"", status)
    response = wire.request("GET", "/answer")
    assert response.status == status
    assert "content-length" not in response.headers
    assert wire.request("GET", "/echo/a").status == 200


def test_headers_of_an_answer_cannot_be_broken_out_of(wire: HttpWire, echo: Echo) -> None:
    echo.answer = Answer(b"", headers=((b"X-Name", b"a\r\nX-Other: b"),))
    response = wire.request("GET", "/answer")
    assert "x-other" not in response.headers


def test_what_is_answered_is_counted(wire: HttpWire, echo: Echo, in_flight: InFlight) -> None:
    wire.request("GET", "/echo/a")
    wire.request("GET", "/nowhere")
    wire.request("HEAD", "/echo/a")
    assert echo.observed == [("GET", 200), ("GET", 404), ("HEAD", 200)]
    assert in_flight.count == 0


# --- what is not there, and what is no request


def test_an_unknown_path_is_unrecognized(wire: HttpWire) -> None:
    response = wire.request("GET", "/_matrix/client/v3/nothing")
    assert (response.status, errcode(response)) == (404, "M_UNRECOGNIZED")


def test_a_wrong_method_is_not_allowed(wire: HttpWire) -> None:
    response = wire.request("DELETE", "/echo/a")
    assert (response.status, errcode(response)) == (405, "M_UNRECOGNIZED")


@pytest.mark.parametrize("target", ["/echo/%FF", "/echo/\x85"])
def test_a_target_that_is_no_text_is_refused(wire: HttpWire, target: str) -> None:
    wire.send(get("/X").replace(b"/X", target.encode("latin-1")))
    response = wire.response()
    assert (response.status, errcode(response)) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"GET\r\n\r\n",
        b"GET /echo/a\r\n\r\n",
        b"GET /echo/a HTTP/9.9\r\n\r\n",
        b"G@T /echo/a HTTP/1.1\r\n\r\n",
        b"GET /echo/a b HTTP/1.1\r\n\r\n",
        b"GET /echo/a HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /echo/a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo/a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /echo/a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /echo/a HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /echo/a HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    ],
)
def test_what_is_no_request_ends_the_connection(wire: HttpWire, echo: Echo, raw: bytes) -> None:
    with capture_logs() as logs:
        wire.send(raw)
        assert not wire.is_open()
    assert echo.requests == []
    assert logs == []


# --- browsers


@pytest.mark.parametrize("path", ["/echo/a", "/wait", "/nowhere", "*"])
def test_options_does_nothing_but_tell_browsers_what_they_may(
    wire: HttpWire, echo: Echo, path: str
) -> None:
    response = wire.request("OPTIONS", path)
    assert response.status == 200
    assert response.body == b""
    assert response.headers["access-control-max-age"] == "86400"
    assert echo.requests == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/echo/a"), ("GET", "/nowhere"), ("OPTIONS", "/echo/a")]
)
def test_every_answer_lets_browsers_read_it(wire: HttpWire, method: str, path: str) -> None:
    headers = wire.request(method, path).headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE, OPTIONS"
    for name in ("X-Requested-With", "Content-Type", "Authorization"):
        assert name in headers["access-control-allow-headers"]
    assert "Retry-After" in headers["access-control-expose-headers"]


# --- too much


def test_a_body_beyond_what_its_route_takes_is_refused_before_it_arrives(
    wire: HttpWire, echo: Echo
) -> None:
    wire.send(b"POST /echo/a HTTP/1.1\r\nHost: hs\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1))
    response = wire.response()
    assert (response.status, errcode(response)) == (413, "M_TOO_LARGE")
    assert response.headers["access-control-allow-origin"] == "*"
    assert echo.requests == []


def test_an_upload_may_be_larger_than_other_bodies(wire: HttpWire, echo: Echo) -> None:
    assert wire.request("POST", "/upload", b"x" * MAX_UPLOAD).status == 200
    assert echo.bodies == [b"x" * MAX_UPLOAD]


@pytest.mark.parametrize(("path", "limit"), [("/echo/a", MAX_BODY), ("/upload", MAX_UPLOAD)])
def test_a_body_that_grows_beyond_the_limit_is_refused_while_it_arrives(
    wire: HttpWire, echo: Echo, path: str, limit: int
) -> None:
    wire.send(f"POST {path} HTTP/1.1\r\nHost: hs\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(limit // 50_000 + 1):
        wire.send(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
    assert wire.response().status == 413
    assert echo.requests == []


def test_a_large_body_that_nobody_wants_is_refused_before_it_arrives(wire: HttpWire) -> None:
    wire.send(b"POST /nowhere HTTP/1.1\r\nHost: hs\r\nContent-Length: 150000\r\n\r\n")
    assert wire.response().status == 404


def test_a_refused_body_is_not_asked_for(wire: HttpWire) -> None:
    wire.send(
        b"POST /echo/a HTTP/1.1\r\nHost: hs\r\nExpect: 100-continue\r\n"
        b"Content-Length: 999999999\r\n\r\n"
    )
    assert wire.response().status == 413
    with pytest.raises(AssertionError, match=r"no complete response: b''"):
        wire.response()


def test_json_may_nest_as_deeply_as_is_configured(wire: HttpWire, echo: Echo) -> None:
    wire.request("POST", "/echo/a")
    assert echo.requests[0].json_depth == 20


# --- who asks


def test_the_clients_address_is_that_of_the_connection(wire: HttpWire, echo: Echo) -> None:
    wire.request("GET", "/echo/a", headers={"X-Forwarded-For": "198.51.100.7"})
    assert echo.requests[0].address == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_behind_a_proxy_it_is_what_the_proxy_says(echo: Echo, forwarded: str, address: str) -> None:
    with HttpWire(echo.dispatcher(), max_upload_bytes=MAX_UPLOAD, x_forwarded=True) as wire:
        wire.request("GET", "/echo/a", headers={"X-Forwarded-For": forwarded})
    assert echo.requests[0].address == address


# --- clients that go


def test_a_read_whose_client_has_gone_is_cancelled(
    wire: HttpWire, echo: Echo, in_flight: InFlight
) -> None:
    wire.send(get("/wait"))
    assert wire.is_open()
    assert in_flight.count == 1

    with capture_logs() as logs:
        wire.client.close()
        assert not wire.is_open()

    assert echo.cancelled == 1
    assert in_flight.count == 0
    assert logs == []


def test_a_write_whose_client_has_gone_is_carried_out(
    wire: HttpWire, echo: Echo, in_flight: InFlight
) -> None:
    body = b"x" * 150_000
    wire.send(b"PUT /wait HTTP/1.1\r\nHost: hs\r\nContent-Length: 150000\r\n\r\n" + body)
    assert wire.is_open()
    wire.client.close()
    assert not wire.is_open()
    assert in_flight.count == 1

    with capture_logs() as logs:
        echo.release()

    assert echo.bodies == [body]
    assert echo.requests[0].content.closed
    assert in_flight.count == 0
    assert logs == []


def test_a_client_that_goes_within_its_request_leaves_nothing(
    wire: HttpWire, echo: Echo, in_flight: InFlight
) -> None:
    wire.send(b"POST /echo/a HTTP/1.1\r\nHost: hs\r\nContent-Length: 150000\r\n\r\nabc")
    assert wire.is_open()
    wire.client.close()
    assert not wire.is_open()
    assert echo.requests == []
    assert in_flight.count == 0


def test_an_answer_that_cannot_be_sent_ends_the_connection_and_is_logged(
    wire: HttpWire, echo: Echo, in_flight: InFlight
) -> None:
    echo.answer = Answer(b"", headers=((b"not a name", b"x"),))
    with capture_logs() as logs:
        wire.send(get("/answer"))
        assert not wire.is_open()
    assert [line["event"] for line in logs] == ["answer_failed"]
    assert in_flight.count == 0


# --- slow clients


def test_an_idle_connection_is_closed(wire: HttpWire) -> None:
    wire.request("GET", "/echo/a")
    wire.clock.advance(119)
    assert wire.is_open()
    wire.clock.advance(2)
    assert not wire.is_open()


def test_a_connection_that_says_nothing_is_closed(wire: HttpWire) -> None:
    wire.clock.advance(121)
    assert not wire.is_open()


def test_a_request_that_trickles_in_is_not_waited_for(wire: HttpWire, echo: Echo) -> None:
    wire.request("GET", "/echo/a")
    sent = get("/echo/b")
    for byte in sent[:12]:
        wire.send(bytes([byte]))
        wire.is_open()
        wire.clock.advance(11)
    assert not wire.is_open()
    assert len(echo.requests) == 1


def test_a_body_that_trickles_in_is_not_waited_for(wire: HttpWire, echo: Echo) -> None:
    wire.send(b"POST /echo/a HTTP/1.1\r\nHost: hs\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(12):
        wire.send(b"x")
        wire.is_open()
        wire.clock.advance(11)
    assert not wire.is_open()
    assert echo.requests == []


def test_a_large_body_may_take_its_time_as_long_as_it_moves(wire: HttpWire, echo: Echo) -> None:
    wire.send(b"POST /upload HTTP/1.1\r\nHost: hs\r\nContent-Length: 400000\r\n\r\n")
    for _ in range(4):
        wire.send(b"x" * 100_000)
        assert wire.is_open()
        wire.clock.advance(100)
    assert wire.response().status == 200


def test_a_request_has_its_own_time_after_an_idle_connection(wire: HttpWire) -> None:
    wire.request("GET", "/echo/a")
    wire.clock.advance(115)
    sent = get("/echo/b")
    wire.send(sent[:10])
    assert wire.is_open()
    wire.clock.advance(30)
    wire.send(sent[10:])
    assert wire.response().status == 200


def test_a_client_that_waits_for_its_answer_is_not_idle(wire: HttpWire, echo: Echo) -> None:
    wire.send(get("/wait"))
    assert wire.is_open()
    wire.clock.advance(1000)
    echo.release()
    assert wire.response().status == 200
    wire.clock.advance(119)
    assert wire.is_open()


def test_a_client_that_reads_slowly_gets_all_of_its_answer(wire: HttpWire, echo: Echo) -> None:
    echo.answer = Answer(b"x" * 20_000_000)
    wire.send(get("/answer"))
    for _ in range(5):
        assert wire.is_open()
        wire.clock.advance(100)
    assert len(wire.response().body) == 20_000_000
    wire.clock.advance(300)
    assert not wire.is_open()


# --- a server that stops


def test_while_the_server_stops_connections_close_with_their_answers(
    wire: HttpWire, echo: Echo, in_flight: InFlight
) -> None:
    wire.send(get("/wait") + get("/echo/never"))
    assert wire.is_open()
    in_flight.last_call()
    echo.release()
    response = wire.response()
    assert response.status == 200
    assert response.headers["connection"] == "close"
    assert not wire.is_open()
    assert len(echo.requests) == 1


async def test_a_server_that_has_stopped_answers_nothing_any_more(
    wire: HttpWire, echo: Echo, in_flight: InFlight
) -> None:
    in_flight.last_call()
    await in_flight.drained(1)
    response = wire.request("GET", "/echo/a")
    assert (response.status, errcode(response)) == (503, "M_LIMIT_EXCEEDED")
    assert response.headers["retry-after"] == "1"
    assert echo.requests == []
    assert not wire.is_open()
