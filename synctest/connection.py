"""HTTP connections to one homeserver, and how patiently requests are repeated."""

from __future__ import annotations

import asyncio
import json as json_codec
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import urlencode

import aiohttp
import attrs
from yarl import URL

JsonObject: TypeAlias = dict[str, Any]

REPEATED_STATUSES = frozenset({429, 500, 502, 503, 504})
"""Answers after which a client repeats its request: the server is busy, stopping or starting."""

REPEAT_AFTER = 0.05
"""Seconds between a request that failed and its repetition."""


class RequestFailed(Exception):
    """The homeserver answered with an error."""

    def __init__(self, request: str, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        super().__init__(f"{request} -> {status} {body[:300]!r}")

    @property
    def errcode(self) -> str | None:
        """The ``errcode`` of the answer, when it is a standard error response."""
        try:
            answer = json_codec.loads(self.body)
        except ValueError:
            return None
        return answer.get("errcode") if isinstance(answer, dict) else None


class Unreachable(Exception):
    """No answer arrived: the connection was refused, reset or cut short, or time ran out."""


@attrs.frozen
class Answer:
    """An HTTP response, read to its end."""

    status: int
    content_type: str
    body: bytes


class Homeserver:
    """A pool of HTTP connections to one homeserver.

    ``patience`` is the number of seconds for which a request that got no answer, or one of
    `REPEATED_STATUSES`, is repeated unchanged.  A repeated send carries the same transaction
    id, so a scenario with patience behaves as a client that survives its server.
    """

    def __init__(self, url: str, *, patience: float = 0.0) -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        self.repeats = 0
        self.in_flight = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        within: float = 60.0,
    ) -> Answer:
        """Send one request, repeating it while patience lasts.

        Raises `Unreachable` when no answer arrives ``within`` so many seconds; any
        answer is returned, whatever its status.
        """
        url = URL(self.url + path + ("?" + urlencode(query) if query else ""), encoded=True)
        headers = {} if body is None else {"Content-Type": content_type}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        deadline = time.monotonic() + self.patience
        while True:
            try:
                answer = await self._attempt(method, url, headers, body, within)
                if answer.status not in REPEATED_STATUSES or time.monotonic() >= deadline:
                    return answer
            except Unreachable:
                if time.monotonic() >= deadline:
                    raise
            self.repeats += 1
            await asyncio.sleep(REPEAT_AFTER)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: Mapping[str, str | int] | None = None,
        json: JsonObject | None = None,
        within: float = 60.0,
    ) -> JsonObject:
        """Send a JSON request and decode its answer; raises `RequestFailed` unless it is 200."""
        body = None if json is None else json_codec.dumps(json).encode()
        answer = await self.request(
            method, path, token=token, query=query, body=body, within=within
        )
        if answer.status != 200:
            raise RequestFailed(f"{method} {path}", answer.status, answer.body)
        decoded: JsonObject = json_codec.loads(answer.body)
        return decoded

    async def _attempt(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        within: float,
    ) -> Answer:
        if self._session is None:
            raise RuntimeError("a Homeserver is used inside `async with`")
        self.in_flight += 1
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                timeout=aiohttp.ClientTimeout(total=within),
            ) as response:
                return Answer(response.status, response.content_type, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"{method} {url}: {error!r}") from error
        finally:
            self.in_flight -= 1
