"""Asking other servers, from the server name to the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from federation.transport.destination_health import DestinationHealth
from federation.transport.errors import (
    DestinationDenied,
    DestinationUnavailable,
    FederationError,
    RemoteError,
)
from federation.transport.federation_client import (
    MAX_ERROR_BYTES,
    ClientSettings,
    FederationClient,
    Reach,
)
from federation.transport.messages import AnswerHead, Sink
from federation.transport.request_paths import federation_path
from federation.transport.request_signing import RequestSigner
from homeserver.domain.errors import UnableToRetrieve
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey, verify_signed_json
from homeserver.domain.x_matrix import parse_x_matrix, request_object
from tests.federation.transport.conftest import PUBLIC, Internet
from tests.federation.transport.internet import Handler, Received, Reply
from tests.federation.transport.test_destination_health import Table

US = ServerName("us.example")
HS = ServerName("hs.example:8448")
KEY = SigningKey.generate("a_1")
PATH = federation_path("send", "txn/1")


class Remote:
    """Another server, and the client that asks it."""

    def __init__(self, internet: Internet, settings: ClientSettings | None = None) -> None:
        self.internet = internet
        internet.zone.address("hs.example", PUBLIC)
        self.health = DestinationHealth(Table(), internet.clock, lambda: 0.0)
        peers = FederationPeers(None, ["*.evil.example"])
        self.client = FederationClient(
            RequestSigner(US, KEY),
            Reach(peers, internet.discovery(), self.health),
            internet.http,
            internet.clock,
            settings or ClientSettings("Myelin"),
        )
        self.received: list[Received] = []

    def answers(self, handler: Handler | Reply) -> None:
        """Let the server answer."""
        reply = handler if isinstance(handler, Reply) else None

        def answer(received: Received) -> Reply | None:
            self.received.append(received)
            return reply if reply is not None else handler(received)  # type: ignore[operator]

        self.internet.serve(answer, certificate=self.internet.ca.issue("hs.example"))


@pytest.fixture
def remote(internet: Internet) -> Remote:
    return Remote(internet)


def check_signature(received: Received, content: Any) -> None:
    signed = parse_x_matrix(received.headers["authorization"])
    assert (signed.origin, signed.destination) == (US, HS)
    request = request_object(received.method, received.target, US, HS, content)
    request["signatures"] = {US: {signed.key_id: signed.signature}}
    verify_signed_json(request, US, KEY.key_id, KEY.verify_key_base64)


async def test_a_get_is_signed_with_its_query(remote: Remote) -> None:
    remote.answers(Reply(body=b'{"a": 1}'))
    path = federation_path("query", "profile")
    query = {"user_id": "@ä:hs.example", "v": ["1", "2&3"]}
    assert await remote.client.get_json(HS, path, query=query) == {"a": 1}
    (received,) = remote.received
    assert received.target == (
        "/_matrix/federation/v1/query/profile?user_id=%40%C3%A4%3Ahs.example&v=1&v=2%263"
    )
    assert received.headers["user-agent"] == "Myelin"
    assert "content-type" not in received.headers
    check_signature(received, None)


@pytest.mark.parametrize("content", [{}, {"b": "é", "a": [1.5, None]}, b'{"a":1,"b":"\xc3\xa9"}'])
async def test_a_put_is_signed_with_its_body(remote: Remote, content: Any) -> None:
    remote.answers(Reply())
    await remote.client.put_json(HS, PATH, content)
    (received,) = remote.received
    assert (received.method, received.target) == ("PUT", "/_matrix/federation/v1/send/txn%2F1")
    assert received.headers["content-type"] == "application/json"
    sent = json.loads(received.body)
    assert sent == (json.loads(content) if isinstance(content, bytes) else content)
    check_signature(received, sent)


async def test_a_post_may_go_without_a_signature(remote: Remote) -> None:
    remote.answers(Reply())
    await remote.client.post_json(HS, "/_matrix/key/v2/query", {"x": 1}, authenticated=False)
    assert "authorization" not in remote.received[0].headers
    assert remote.received[0].body == b'{"x":1}'


@pytest.mark.parametrize("path", ["relative", "/a b", "/a?b=c", "/a#b", "/ä", "/a\r\nX: y"])
async def test_a_path_that_is_not_escaped_is_a_mistake(remote: Remote, path: str) -> None:
    with pytest.raises(ValueError, match="escaped"):
        await remote.client.get_json(HS, path)


async def test_an_error_of_the_server_is_told(remote: Remote) -> None:
    body = b'{"errcode": "M_LIMIT_EXCEEDED", "error": "slow", "retry_after_ms": 7}'
    remote.answers(Reply(429, body))
    with pytest.raises(RemoteError) as caught:
        await remote.client.get_json(HS, PATH)
    error = caught.value
    assert (error.destination, error.remote_status) == (HS, 429)
    assert (error.remote_errcode, error.remote_error) == ("M_LIMIT_EXCEEDED", "slow")
    assert error.retry_after_ms == 7
    assert remote.health.retry_at_ms(HS) is None
    # What a remote server says is never this server's own answer.
    assert isinstance(error, UnableToRetrieve)
    assert error.status == 502


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errcode": 5}', b'{"error": null}'])
async def test_an_error_without_a_code_is_unknown(remote: Remote, body: bytes) -> None:
    remote.answers(Reply(404, body))
    with pytest.raises(RemoteError) as caught:
        await remote.client.get_json(HS, PATH)
    assert (caught.value.remote_errcode, caught.value.remote_error) == ("M_UNKNOWN", "")
    assert caught.value.retry_after_ms is None


async def test_a_redirect_is_an_error_with_its_place(remote: Remote) -> None:
    remote.answers(Reply(307, b"", {"Location": "https://cdn.example/a"}))
    with pytest.raises(RemoteError) as caught:
        await remote.client.get_json(HS, PATH)
    assert caught.value.remote_fields["location"] == "https://cdn.example/a"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 9_000, b'"x"'])
async def test_an_answer_that_is_not_an_object_is_no_answer(remote: Remote, body: bytes) -> None:
    remote.answers(Reply(200, body))
    with pytest.raises(DestinationUnavailable):
        await remote.client.get_json(HS, PATH)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521])
async def test_a_server_that_does_not_work_is_left_alone(remote: Remote, status: int) -> None:
    remote.answers(Reply(status))
    with pytest.raises(DestinationUnavailable) as caught:
        await remote.client.get_json(HS, PATH)
    assert caught.value.retry_at_ms == remote.health.retry_at_ms(HS)
    assert caught.value.retry_at_ms is not None
    with pytest.raises(DestinationUnavailable):
        await remote.client.get_json(HS, PATH)
    assert len(remote.received) == 1


@pytest.mark.parametrize("errcode", ["M_UNKNOWN", "M_LIMIT_EXCEEDED", "M_RESOURCE_LIMIT_EXCEEDED"])
async def test_a_server_that_says_that_it_does_not_work_is_left_alone(
    remote: Remote, errcode: str
) -> None:
    remote.answers(Reply(503, json.dumps({"errcode": errcode}).encode()))
    with pytest.raises(DestinationUnavailable):
        await remote.client.get_json(HS, PATH)
    assert remote.health.retry_at_ms(HS) is not None


@pytest.mark.parametrize(
    ("status", "errcode"), [(504, "M_NOT_YET_UPLOADED"), (502, "M_TOO_LARGE"), (500, "M_OTHER")]
)
async def test_an_error_about_the_request_is_not_held_against_the_server(
    remote: Remote, status: int, errcode: str
) -> None:
    remote.answers(Reply(status, json.dumps({"errcode": errcode, "error": "no"}).encode()))
    for _ in range(2):
        with pytest.raises(RemoteError) as caught:
            await remote.client.get_json(HS, PATH)
        error = caught.value
        assert (error.remote_status, error.remote_errcode) == (status, errcode)
    assert len(remote.received) == 2
    assert remote.health.retry_at_ms(HS) is None


async def test_a_server_that_cannot_be_reached_is_left_alone(remote: Remote) -> None:
    for _ in range(2):
        with pytest.raises(DestinationUnavailable):
            await remote.client.get_json(HS, PATH)
    assert remote.internet.reactor.dialled == [(PUBLIC, 8448)]


async def test_a_server_that_takes_too_long_is_left_alone(remote: Remote) -> None:
    remote.answers(lambda _: None)
    with pytest.raises(DestinationUnavailable):
        await remote.client.get_json(HS, PATH, timeout=0.3)
    assert remote.health.retry_at_ms(HS) is not None


async def test_an_answer_that_is_too_large_is_not_held_against_the_server(remote: Remote) -> None:
    remote.answers(Reply(200, b'{"a": "%s"}' % (b"x" * 1_000)))
    with pytest.raises(DestinationUnavailable):
        await remote.client.get_json(HS, PATH, max_bytes=1_000)
    assert remote.health.retry_at_ms(HS) is None


async def test_a_server_on_the_deny_list_is_not_asked(remote: Remote) -> None:
    with pytest.raises(DestinationDenied):
        await remote.client.get_json(ServerName("hs.evil.example"), PATH)
    assert remote.internet.zone.asked == []


async def test_a_server_at_a_denied_address_is_not_asked(remote: Remote) -> None:
    remote.internet.zone.address("home.example", "192.168.0.9")
    for name in ("home.example:8448", "10.0.0.1", "[::1]:8448"):
        with pytest.raises(DestinationDenied):
            await remote.client.get_json(ServerName(name), PATH)
    assert remote.internet.reactor.dialled == []


async def test_the_server_does_not_ask_itself(remote: Remote) -> None:
    with pytest.raises(DestinationDenied):
        await remote.client.get_json(US, PATH)


async def test_an_answer_is_streamed(remote: Remote) -> None:
    remote.answers(Reply(200, b"x" * 100_000, {"Content-Type": "image/png"}))
    chunks: list[bytes] = []
    head = await remote.client.stream("GET", HS, PATH, lambda head: chunks.append)
    assert b"".join(chunks) == b"x" * 100_000
    assert head.headers["content-type"] == "image/png"
    check_signature(remote.received[0], None)


async def test_an_error_is_not_streamed(remote: Remote) -> None:
    remote.answers(Reply(403, b'{"errcode": "M_FORBIDDEN", "error": "no"}'))

    def open_sink(head: AnswerHead) -> Sink:
        raise AssertionError("there is nothing to take")

    with pytest.raises(RemoteError) as caught:
        await remote.client.stream("PUT", HS, PATH, open_sink, content={"a": 1})
    assert caught.value.remote_errcode == "M_FORBIDDEN"
    check_signature(remote.received[0], {"a": 1})


async def test_a_huge_error_is_not_kept(remote: Remote) -> None:
    remote.answers(Reply(403, b"x" * (MAX_ERROR_BYTES + 1)))
    with pytest.raises(FederationError):
        await remote.client.stream("GET", HS, PATH, lambda head: None, max_bytes=10**9)


async def test_a_request_that_is_cancelled_says_nothing_about_the_server(remote: Remote) -> None:
    arrived: Deferred[None] = Deferred()
    remote.answers(lambda _: arrived.callback(None))
    running = Deferred.fromCoroutine(remote.client.get_json(HS, PATH))
    await arrived
    running.cancel()
    with pytest.raises(CancelledError):
        await running
    assert remote.health.retry_at_ms(HS) is None


async def test_requests_to_one_server_wait_for_each_other(internet: Internet) -> None:
    remote = Remote(internet, ClientSettings("Myelin", parallel_requests=2))
    both: Deferred[None] = Deferred()

    def hold_two(received: Received) -> Reply | None:
        if len(remote.received) == 2:
            both.callback(None)
        return Reply() if len(remote.received) > 2 else None

    remote.answers(hold_two)
    held = [Deferred.fromCoroutine(remote.client.get_json(HS, PATH)) for _ in range(2)]
    await both
    with pytest.raises(DestinationUnavailable, match="take too long"):
        await remote.client.get_json(HS, PATH, timeout=0.1)
    waiting = Deferred.fromCoroutine(remote.client.get_json(HS, PATH))
    assert len(remote.received) == 2
    for each in held:
        each.cancel()
        with pytest.raises(CancelledError):
            await each
    assert await waiting == {}


async def test_a_slow_answer_does_not_hold_up_the_next_one(remote: Remote) -> None:
    arrived: Deferred[None] = Deferred()

    def hold_first(received: Received) -> Reply | None:
        if len(remote.received) == 1:
            arrived.callback(None)
            return None
        return Reply()

    remote.answers(hold_first)
    held = Deferred.fromCoroutine(remote.client.get_json(HS, PATH))
    await arrived
    assert await remote.client.get_json(HS, PATH) == {}
    held.cancel()
    with pytest.raises(CancelledError):
        await held
