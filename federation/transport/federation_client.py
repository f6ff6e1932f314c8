"""Asking other servers: signed requests, with answers in JSON or as streams.

Server-server API, "API standards" and "Authentication".
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, Final

import attrs
import msgspec

from federation.transport.destination_health import Attempt, DestinationHealth
from federation.transport.discovery import Discovery
from federation.transport.errors import (
    AddressDenied,
    AnswerTooLarge,
    BrokenAnswer,
    DestinationDenied,
    DestinationUnavailable,
    OutboundError,
    RemoteError,
    TimedOut,
)
from federation.transport.messages import (
    Answer,
    AnswerHead,
    Limits,
    OpenSink,
    OutboundRequest,
    Sink,
    collect,
)
from federation.transport.outbound_http import OutboundHttp
from federation.transport.request_paths import Query, with_query
from federation.transport.request_signing import RequestSigner
from federation.transport.request_slots import RequestSlots
from federation.transport.time_limit import within
from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock

MAX_ERROR_BYTES: Final = 65_536
"""The longest body of an error that is read."""

_TROUBLE: Final = ("M_UNKNOWN", "M_LIMIT_EXCEEDED", "M_RESOURCE_LIMIT_EXCEEDED")
"""What servers say that cannot do their work. With other codes a status of 5xx is about the request
alone: media that is not uploaded yet is 504, and a third server that does not answer may be 502."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@attrs.frozen
class ClientSettings:
    """What requests may take unless they say otherwise, and how many go to a server at once."""

    user_agent: str
    timeout_seconds: float = 60.0
    max_response_bytes: int = 52_428_800
    parallel_requests: int = 10


@attrs.frozen
class Reach:
    """The way to other servers: whom to talk to, where they are, whether they answer."""

    peers: FederationPeers
    discovery: Discovery
    health: DestinationHealth


class FederationClient:
    """Sends requests in the name of this server.

    Every request raises DestinationDenied for a server that this one is configured not to talk to
    or whose address is denied; DestinationUnavailable when there is no usable answer, which another
    attempt may bring; RemoteError when the server answers with an error.
    """

    def __init__(
        self,
        signer: RequestSigner,
        reach: Reach,
        http: OutboundHttp,
        clock: Clock,
        settings: ClientSettings,
    ) -> None:
        self._signer = signer
        self._reach = reach
        self._http = http
        self._clock = clock
        self._settings = settings
        self._slots = RequestSlots(settings.parallel_requests)

    async def get_json(
        self,
        destination: ServerName,
        path: str,
        *,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
        authenticated: bool = True,
    ) -> JsonObject:
        """The JSON object that a server answers to GET.

        ``path`` is escaped (see `request_paths.federation_path`); ``timeout`` is in seconds and
        for everything, ``max_bytes`` for the body; a request is not signed unless it is
        ``authenticated``.
        """
        target = with_query(path, query)
        request = self._request("GET", destination, target, None, authenticated)
        return _json(await self._send(destination, request, timeout, max_bytes), destination)

    async def put_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject | bytes,
        *,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> JsonObject:
        """The JSON object that a server answers to PUT.

        ``content`` is an object, or one that is canonical JSON already. See `get_json`.
        """
        target = with_query(path, query)
        request = self._request("PUT", destination, target, content, authenticated=True)
        return _json(await self._send(destination, request, timeout, max_bytes), destination)

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject | bytes,
        *,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
        authenticated: bool = True,
    ) -> JsonObject:
        """The JSON object that a server answers to POST. See `put_json` and `get_json`."""
        target = with_query(path, query)
        request = self._request("POST", destination, target, content, authenticated)
        return _json(await self._send(destination, request, timeout, max_bytes), destination)

    async def stream(
        self,
        method: str,
        destination: ServerName,
        path: str,
        open_sink: OpenSink,
        *,
        content: JsonObject | bytes | None = None,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> AnswerHead:
        """Pass the body of an answer on while it arrives.

        ``open_sink`` gets the status (200 to 299) and headers and returns what takes the chunks;
        what either of them raises ends the request and is raised here. Redirects are errors:
        RemoteError, with the new place in ``remote_fields["location"]``.
        """
        request = self._request(method, destination, with_query(path, query), content, True)
        answer = await self._send(destination, request, timeout, max_bytes, open_sink)
        return AnswerHead(answer.status, answer.headers)

    def _request(
        self,
        method: str,
        destination: ServerName,
        target: str,
        content: JsonObject | bytes | None,
        authenticated: bool,
    ) -> OutboundRequest:
        headers = {"User-Agent": self._settings.user_agent, "Accept": "application/json"}
        body = content if isinstance(content, bytes | None) else encode_lenient_json(content)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if authenticated:
            headers["Authorization"] = self._signer.authorization(method, target, destination, body)
        # Every request of the federation may be repeated: transactions have IDs, and keys that are
        # claimed twice are lost to nobody but this server.
        return OutboundRequest(method, target, headers, body, repeatable=True)

    async def _send(
        self,
        destination: ServerName,
        request: OutboundRequest,
        timeout: float | None,  # noqa: ASYNC109
        max_bytes: int | None,
        open_sink: OpenSink = collect,
    ) -> Answer:
        if not self._reach.peers.allows(destination):
            raise DestinationDenied(destination, "the configuration does not allow it")
        if destination == self._signer.server_name:
            raise DestinationDenied(destination, "it is this server")
        limits = Limits(
            self._settings.timeout_seconds if timeout is None else timeout,
            self._settings.max_response_bytes if max_bytes is None else max_bytes,
        )
        until = self._clock.monotonic() + limits.seconds
        async with AsyncExitStack() as held:
            await self._take_slot(destination, held, limits.seconds)
            health = self._reach.health
            is_signed = "Authorization" in request.headers
            # Whoever asks for keys, unsigned, limits that; see federation.keys.
            attempt = (health.admit if is_signed else health.admit_anyway)(destination)
            try:
                left = max(0.0, until - self._clock.monotonic())
                work = self._exchange(destination, request, limits, open_sink)
                answer = await within(self._clock, left, work)
            except AnswerTooLarge as error:
                self._reach.health.note_success(attempt)
                raise DestinationUnavailable(destination, str(error)) from error
            except OutboundError as error:
                raise self._failed(attempt, error) from error
            except BaseException:
                self._reach.health.note_nothing(attempt)
                raise
            refusal = None if 200 <= answer.status < 300 else _remote_error(destination, answer)
            if refusal and refusal.remote_status >= 500 and refusal.remote_errcode in _TROUBLE:
                raise self._failed(attempt, BrokenAnswer(f"the status is {answer.status}"))
            self._reach.health.note_success(attempt)
        if refusal is not None:
            raise refusal
        return answer

    async def _exchange(
        self,
        destination: ServerName,
        request: OutboundRequest,
        limits: Limits,
        open_sink: OpenSink,
    ) -> Answer:
        endpoints = await self._reach.discovery.endpoints_of(destination)
        errors = _ErrorBody()

        def open_good_ones(head: AnswerHead) -> Sink | None:
            return open_sink(head) if 200 <= head.status < 300 else errors.take

        answer = await self._http.request(endpoints, request, limits, open_good_ones)
        return answer if not errors.body else attrs.evolve(answer, body=bytes(errors.body))

    async def _take_slot(
        self, destination: ServerName, held: AsyncExitStack, seconds: float
    ) -> None:
        slot = held.enter_async_context(self._slots.slot(destination))
        try:
            await within(self._clock, seconds, slot)
        except TimedOut as error:
            raise DestinationUnavailable(
                destination, "the requests before this one take too long"
            ) from error

    def _failed(self, attempt: Attempt, error: OutboundError) -> Exception:
        """What to raise when a server gives no usable answer."""
        health = self._reach.health
        health.note_failure(attempt, f"{type(error).__name__}: {error}")
        if isinstance(error, AddressDenied):
            return DestinationDenied(attempt.destination, str(error))
        return DestinationUnavailable(
            attempt.destination, str(error), health.retry_at_ms(attempt.destination)
        )


class _ErrorBody:
    """The body of an error, up to a limit."""

    def __init__(self) -> None:
        self.body = bytearray()

    def take(self, chunk: bytes) -> None:
        if len(self.body) + len(chunk) > MAX_ERROR_BYTES:
            raise AnswerTooLarge(f"the error has more than {MAX_ERROR_BYTES} bytes")
        self.body += chunk


def _json(answer: Answer, destination: ServerName) -> JsonObject:
    try:
        return _decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DestinationUnavailable(destination, "the answer is not a JSON object") from error


def _remote_error(destination: ServerName, answer: Answer) -> RemoteError:
    try:
        fields = _decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = {}
    errcode, error = fields.pop("errcode", None), fields.pop("error", None)
    if "location" in answer.headers:
        fields["location"] = answer.headers["location"]
    return RemoteError(
        destination,
        answer.status,
        errcode if isinstance(errcode, str) else "M_UNKNOWN",
        error if isinstance(error, str) else "",
        fields,
    )
