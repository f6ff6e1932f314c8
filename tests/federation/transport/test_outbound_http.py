"""Requests over real connections: certificates, addresses, limits, and lines that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.names import dns

from federation.transport.connections import MAX_HEAD_BYTES
from federation.transport.endpoints import Endpoint
from federation.transport.errors import (
    AddressDenied,
    AnswerTooLarge,
    BrokenAnswer,
    ConnectionFailed,
    NameNotResolved,
    OutboundError,
    TimedOut,
    TlsFailed,
)
from federation.transport.messages import AnswerHead, Limits, OutboundRequest, Sink
from federation.transport.trust import Trust
from tests.clock import FakeClock
from tests.federation.certificates import CertificateAuthority
from tests.federation.transport.conftest import PUBLIC, PUBLIC_6, Internet
from tests.federation.transport.internet import Received, Reply

HS = Endpoint("hs.example", 8448, "hs.example", "hs.example")
GET = OutboundRequest("GET", "/", repeatable=True)
LIMITS = Limits(20, 10_000)


def hello(_: Received) -> Reply:
    return Reply(body=b"hello", headers={"X-Colour": "green"})


async def test_an_answer_comes_from_the_host_with_its_status_and_headers(
    internet: Internet,
) -> None:
    internet.zone.address("hs.example", PUBLIC)
    site = internet.serve(hello, certificate=internet.ca.issue("hs.example"))

    answer = await internet.get(HS, "/path?a=b;c&d=%2F")

    assert (answer.status, answer.body, answer.headers["x-colour"]) == (200, b"hello", "green")
    assert answer.headers["content-length"] == "5"
    (received,) = site.received
    assert (received.method, received.target) == ("GET", "/path?a=b;c&d=%2F")
    assert received.headers["host"] == "hs.example"
    assert internet.sni == [b"hs.example"]
    assert internet.reactor.dialled == [(PUBLIC, 8448)]
    assert internet.outcomes == ["200"]


async def test_a_body_arrives_whole(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    site = internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    body = b"x" * 1_000_000

    request = OutboundRequest("PUT", "/a", {"Content-Type": "text/plain"}, body)
    await internet.http.request([HS], request, LIMITS)

    assert site.received[0].body == body
    assert site.received[0].headers["content-type"] == "text/plain"


async def test_a_certificate_of_another_name_is_refused_before_the_request_is_sent(
    internet: Internet,
) -> None:
    internet.zone.address("hs.example", PUBLIC)
    site = internet.serve(hello, certificate=internet.ca.issue("other.example"))
    with pytest.raises(TlsFailed, match="not valid for the name"):
        await internet.get(HS)
    assert site.received == []


async def test_the_name_of_the_certificate_is_that_of_the_endpoint_not_that_of_the_host(
    internet: Internet,
) -> None:
    internet.zone.address("target.example", PUBLIC)
    site = internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    answer = await internet.get(Endpoint("target.example", 8448, "hs.example", "hs.example"))
    assert answer.status == 200
    assert site.received[0].headers["host"] == "hs.example"
    assert internet.sni == [b"hs.example"]


async def test_a_wildcard_certificate_is_good_for_one_label(internet: Internet) -> None:
    internet.zone.address("a.hs.example", PUBLIC)
    internet.zone.address("a.b.hs.example", PUBLIC)
    internet.serve(hello, certificate=internet.ca.issue("*.hs.example"))
    assert (await internet.get(Endpoint("a.hs.example", 8448, "x", "a.hs.example"))).status == 200
    with pytest.raises(TlsFailed):
        await internet.get(Endpoint("a.b.hs.example", 8448, "x", "a.b.hs.example"))


async def test_an_expired_certificate_is_refused(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    site = internet.serve(hello, certificate=internet.ca.issue("hs.example", expired=True))
    with pytest.raises(TlsFailed):
        await internet.get(HS)
    assert site.received == []


async def test_a_certificate_of_an_unknown_authority_is_refused(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    site = internet.serve(hello, certificate=CertificateAuthority().issue("hs.example"))
    with pytest.raises(TlsFailed):
        await internet.get(HS)
    assert site.received == []


async def test_without_verification_any_certificate_will_do(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.serve(hello, certificate=CertificateAuthority().issue("other.example"))
    http = internet.new_http(Trust(None, verify=False))
    assert (await http.request([HS], GET, LIMITS)).status == 200
    assert internet.sni == [b"hs.example"]


async def test_a_file_of_authorities_that_cannot_be_read_is_said(
    internet: Internet, tmp_path: Path
) -> None:
    http = internet.new_http(Trust(tmp_path / "missing.pem"))
    with pytest.raises(TlsFailed, match="authorities"):
        await http.request([HS], GET, LIMITS)


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6])
async def test_an_address_needs_a_certificate_of_its_own_and_no_sni(
    internet: Internet, address: str
) -> None:
    internet.serve(hello, at=address, certificate=internet.ca.issue(address))
    header = f"[{address}]" if ":" in address else address
    answer = await internet.get(Endpoint(address, 8448, header, address))
    assert answer.status == 200
    assert internet.sni in ([], [None])


async def test_an_address_is_not_covered_by_the_certificate_of_a_name(internet: Internet) -> None:
    internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    with pytest.raises(TlsFailed):
        await internet.get(Endpoint(PUBLIC, 8448, PUBLIC, PUBLIC))


async def test_a_server_without_tls_is_no_https_server(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.script(lambda transport: transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(TlsFailed):
        await internet.get(HS)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::7"])
async def test_denied_addresses_are_not_connected_to(internet: Internet, address: str) -> None:
    internet.zone.address("hs.example", address)
    with pytest.raises(AddressDenied):
        await internet.get(HS)
    with pytest.raises(AddressDenied):
        await internet.get(Endpoint(address, 8448, address, address))
    assert internet.reactor.dialled == []


async def test_a_range_can_be_allowed(internet: Internet) -> None:
    internet.zone.address("hs.example", "10.0.0.1")
    internet.serve(hello, at="10.0.0.1", certificate=internet.ca.issue("hs.example"))
    http = internet.new_http(allowed=("10.0.0.0/24",))
    assert (await http.request([HS], GET, LIMITS)).status == 200


async def test_only_the_allowed_ones_of_several_addresses_are_used(internet: Internet) -> None:
    internet.zone.address("hs.example", "127.0.0.1", PUBLIC, "::1")
    internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    assert (await internet.get(HS)).status == 200
    assert internet.reactor.dialled == [(PUBLIC, 8448)]


async def test_a_name_that_moves_to_a_private_address_is_not_followed(internet: Internet) -> None:
    clock = FakeClock()
    internet.lookups = internet.new_lookups(clock)
    internet.zone.address("hs.example", PUBLIC, ttl=0)
    internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    await internet.new_http().request([HS], GET, LIMITS)
    assert internet.zone.count("hs.example", dns.A) == 1

    internet.zone.change("hs.example", dns.Record_A("127.0.0.1", 0))
    clock.advance(60)
    with pytest.raises(AddressDenied):
        await internet.new_http().request([HS], GET, LIMITS)
    assert internet.reactor.dialled == [(PUBLIC, 8448)]


async def test_names_in_the_hosts_file_are_vetted_as_well(internet: Internet) -> None:
    with pytest.raises(AddressDenied, match=r"192\.168\.7\.7"):
        await internet.get(Endpoint("printer.lan", 80, "printer.lan", None))


async def test_the_next_address_is_tried_when_one_refuses(internet: Internet) -> None:
    internet.zone.address("hs.example", "198.41.0.4", PUBLIC_6)
    internet.serve(hello, at=PUBLIC_6, certificate=internet.ca.issue("hs.example"))
    assert (await internet.get(HS)).status == 200
    assert internet.reactor.dialled == [("198.41.0.4", 8448), (PUBLIC_6, 8448)]


async def test_the_next_endpoint_is_tried_when_one_cannot_be_reached(internet: Internet) -> None:
    internet.zone.address("b.example", PUBLIC)
    internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    internet.serve(hello, port=1, certificate=internet.ca.issue("wrong.example"))
    endpoints = [
        Endpoint("gone.example", 8448, "hs.example", "hs.example"),
        Endpoint("b.example", 2, "hs.example", "hs.example"),
        Endpoint("b.example", 1, "hs.example", "hs.example"),
        Endpoint("b.example", 8448, "hs.example", "hs.example"),
    ]
    assert (await internet.http.request(endpoints, GET, LIMITS)).status == 200


async def test_a_connection_that_is_refused_is_said(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    with pytest.raises(ConnectionFailed):
        await internet.get(HS)
    assert internet.outcomes == ["ConnectionFailed"]


async def test_a_name_that_does_not_exist_is_said(internet: Internet) -> None:
    with pytest.raises(NameNotResolved):
        await internet.get(HS)


@pytest.mark.parametrize("host", ["a..example", "-" * 64 + ".example", "ex ample", "x" * 300])
async def test_what_is_no_name_is_not_asked_for(internet: Internet, host: str) -> None:
    with pytest.raises(NameNotResolved):
        await internet.get(Endpoint(host, 8448, "x", "x"))
    assert internet.zone.asked == []


async def test_a_connection_is_used_again(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    site = internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    for _ in range(3):
        await internet.get(HS)
    assert len({each.connection for each in site.received}) == 1
    assert internet.reactor.dialled == [(PUBLIC, 8448)]


async def test_a_connection_is_not_shared_with_another_name(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.serve(hello, certificate=internet.ca.issue("hs.example"))
    await internet.get(HS)
    with pytest.raises(TlsFailed):
        await internet.get(Endpoint("hs.example", 8448, "hs.example", "other.example"))


def ok(transport: Any) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def hang_up(transport: Any) -> None:
    transport.abortConnection()


async def test_a_request_is_sent_again_when_the_idle_connection_was_closed(
    internet: Internet,
) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.script(ok, hang_up, certificate=internet.ca.issue("hs.example"))
    put = OutboundRequest("PUT", "/", body=b"{}", repeatable=True)
    for _ in range(2):
        assert (await internet.http.request([HS], put, LIMITS)).body == b"ok"
    assert len(internet.reactor.dialled) == 2


async def test_a_request_that_must_not_be_repeated_is_not(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.script(ok, hang_up, certificate=internet.ca.issue("hs.example"))
    post = OutboundRequest("POST", "/", body=b"{}")
    await internet.http.request([HS], post, LIMITS)
    with pytest.raises(ConnectionFailed):
        await internet.http.request([HS], post, LIMITS)
    assert len(internet.reactor.dialled) == 1


async def test_a_request_on_a_new_connection_is_sent_once(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.script(hang_up, certificate=internet.ca.issue("hs.example"))
    with pytest.raises(ConnectionFailed):
        await internet.get(HS)
    assert len(internet.reactor.dialled) == 1


async def test_an_answer_that_is_too_large_is_dropped(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.serve(lambda _: Reply(body=b"x" * 10_001), certificate=internet.ca.issue("hs.example"))
    with pytest.raises(AnswerTooLarge):
        await internet.get(HS)


async def test_an_endless_answer_is_dropped_after_the_limit(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    floods: list[Flood] = []

    def flood(transport: Any) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        floods.append(Flood(transport))
        transport.registerProducer(floods[0], True)
        floods[0].resumeProducing()

    internet.script(flood, certificate=internet.ca.issue("hs.example"))
    with pytest.raises(AnswerTooLarge):
        await internet.get(HS, max_bytes=1_000_000)
    assert floods[0].left > 0
    assert internet.outcomes == ["AnswerTooLarge"]


class Flood:
    """100 MB, as fast as they are taken."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.left = 1_600
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False
        while not self._is_paused and self.left:
            self.left -= 1
            self._transport.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    def pauseProducing(self) -> None:
        self._is_paused = True

    def stopProducing(self) -> None:
        self._is_paused = True


async def test_headers_without_an_end_are_dropped(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)

    def endless(transport: Any) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * (MAX_HEAD_BYTES // 7))

    internet.script(endless, certificate=internet.ca.issue("hs.example"))
    with pytest.raises(ConnectionFailed):
        await internet.get(HS)


async def test_a_body_behind_long_headers_is_not_counted_with_them(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    body = b"x" * MAX_HEAD_BYTES * 2
    internet.serve(lambda _: Reply(body=body), certificate=internet.ca.issue("hs.example"))
    assert (await internet.get(HS, max_bytes=len(body))).body == body


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_is_a_broken_answer(internet: Internet, answer: bytes) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.script(
        lambda transport: transport.write(answer), certificate=internet.ca.issue("hs.example")
    )
    with pytest.raises((BrokenAnswer, ConnectionFailed)):
        await internet.get(HS, seconds=5)


async def test_an_answer_that_breaks_off_is_no_answer(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)

    def break_off(transport: Any) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        transport.loseConnection()

    internet.script(break_off, certificate=internet.ca.issue("hs.example"))
    with pytest.raises(ConnectionFailed):
        await internet.get(HS)


async def test_a_server_that_does_not_answer_is_given_up(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.serve(lambda _: None, certificate=internet.ca.issue("hs.example"))
    with pytest.raises(TimedOut):
        await internet.get(HS, seconds=0.3)
    assert internet.outcomes == ["TimedOut"]


async def test_a_server_that_answers_drop_by_drop_is_given_up(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)

    def drip(transport: Any) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")

        def drop() -> None:
            transport.write(b"x")
            internet.clock.call_later(0.02, drop)

        drop()

    internet.script(drip, certificate=internet.ca.issue("hs.example"))
    with pytest.raises(TimedOut):
        await internet.get(HS, seconds=0.5)


async def test_a_request_can_be_cancelled(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    arrived: Deferred[None] = Deferred()

    def hold(_: Received) -> None:
        arrived.callback(None)

    internet.serve(hold, certificate=internet.ca.issue("hs.example"))
    running = Deferred.fromCoroutine(internet.get(HS))
    await arrived
    running.cancel()
    with pytest.raises(CancelledError):
        await running
    assert internet.outcomes == ["cancelled"]


async def test_a_body_can_be_taken_chunk_by_chunk(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    body = b"0123456789" * 100_000
    internet.serve(lambda _: Reply(body=body), certificate=internet.ca.issue("hs.example"))
    chunks: list[bytes] = []

    async def take(chunk: bytes) -> None:
        assert not is_busy[0]
        is_busy[0] = True
        await internet.clock.sleep(0)
        chunks.append(chunk)
        is_busy[0] = False

    is_busy = [False]
    heads: list[AnswerHead] = []

    def open_sink(head: AnswerHead) -> Sink:
        heads.append(head)
        return take

    answer = await internet.http.request([HS], GET, Limits(20, len(body)), open_sink)

    assert b"".join(chunks) == body
    assert answer.body == b""
    assert [head.status for head in heads] == [200]


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_a_sink_raises_ends_the_request(internet: Internet, is_async: bool) -> None:
    internet.zone.address("hs.example", PUBLIC)
    site = internet.serve(
        lambda _: Reply(body=b"x" * 500_000), certificate=internet.ca.issue("hs.example")
    )

    async def fail_later(chunk: bytes) -> None:
        raise LookupError("no room")

    def fail_now(chunk: bytes) -> None:
        raise LookupError("no room")

    sink: Sink = fail_later if is_async else fail_now
    with pytest.raises(LookupError):
        await internet.http.request([HS], GET, Limits(20, 1_000_000), lambda head: sink)
    assert (await internet.get(HS, max_bytes=500_000)).status == 200
    assert len({each.connection for each in site.received}) == 2


async def test_plain_http_is_spoken_where_no_certificate_is_asked_for(internet: Internet) -> None:
    internet.zone.address("hs.example", PUBLIC)
    internet.serve(hello, port=80)
    assert (await internet.get(Endpoint("hs.example", 80, "hs.example", None))).body == b"hello"


def test_every_failure_is_an_outbound_error() -> None:
    for kind in (AddressDenied, AnswerTooLarge, BrokenAnswer, ConnectionFailed, TimedOut):
        assert issubclass(kind, OutboundError)
