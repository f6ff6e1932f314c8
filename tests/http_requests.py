"""Requests to handlers, through the dispatcher and without a network."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable
from typing import Any

import attrs

from homeserver.domain.errors import MatrixError
from homeserver.http.answers import Answer, error_answer
from homeserver.http.authentication import Authenticator
from homeserver.http.dispatch import Dispatcher
from homeserver.http.limits import RequestLimits
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Api
from homeserver.ports.clock import Clock

ADDRESS = "192.0.2.1"

_numbers = itertools.count(1)


@attrs.frozen
class Response:
    """What came back; ``json`` is the decoded body."""

    status: int
    json: Any
    headers: dict[str, str]


class SentHeaders(dict[str, str]):
    """See :class:`homeserver.http.request.RequestHeaders`. Values of one name are in lines."""

    def get_all(self, name: str, /) -> list[str]:
        return self[name].split("\n") if name in self else []


def make_request(
    method: str,
    target: str,
    json_body: Any = None,
    *,
    parameters: dict[str, str] | None = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    address: str = ADDRESS,
    received_ms: int = 0,
    raw_body: bytes | None = None,
) -> Request:
    """A request as the transport makes it. ``target`` is the path, with the query if any."""
    path, _, query_string = target.partition("?")
    if raw_body is None:
        raw_body = b"" if json_body is None else json.dumps(json_body).encode()
    sent = SentHeaders((name.lower(), value) for name, value in (headers or {}).items())
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    return Request(
        method=method,
        path=path,
        parameters=parameters or {},
        query_string=query_string,
        headers=sent,
        content=io.BytesIO(raw_body),
        content_length=len(raw_body),
        address=address,
        received_ms=received_ms,
        id=f"test-{next(_numbers)}",
    )


class TestClient:
    """Sends requests to some areas of the API as the server would dispatch them."""

    __test__ = False

    def __init__(
        self,
        apis: Iterable[Api],
        authenticator: Authenticator,
        limiter: RateLimiter,
        clock: Clock,
        max_body_bytes: int = 1_000_000,
    ) -> None:
        self._clock = clock
        self.dispatcher = Dispatcher(
            Router(route for api in apis for route in api.routes()),
            authenticator,
            RequestLimits(limiter, max_body_bytes),
            lambda route, method, status, seconds: None,
        )

    async def request(
        self,
        method: str,
        target: str,
        json_body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        address: str = ADDRESS,
        raw_body: bytes | None = None,
    ) -> Response:
        """Send one request; the answer, errors included."""
        try:
            route, parameters = self.dispatcher.router.find(method, target.partition("?")[0])
        except MatrixError as error:
            return _response(error_answer(error))
        request = make_request(
            method,
            target,
            json_body,
            parameters=parameters,
            token=token,
            headers=headers,
            address=address,
            received_ms=self._clock.now_ms(),
            raw_body=raw_body,
        )
        return _response(await self.dispatcher.answer(route, request))


def _response(answer: Answer) -> Response:
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.status, json.loads(answer.body) if answer.body else None, headers)
