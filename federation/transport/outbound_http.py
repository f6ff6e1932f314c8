"""The one HTTP client for everything that this server asks of others.

It connects to vetted addresses only: a name is resolved, its addresses are vetted, and the
connection goes to just those, so that a name server cannot change its mind in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

from federation.transport.endpoints import Endpoint
from federation.transport.errors import (
    AddressDenied,
    ConnectionFailed,
    NameNotResolved,
    OutboundError,
    TlsFailed,
)
from federation.transport.messages import Answer, Limits, OpenSink, OutboundRequest, collect
from federation.transport.name_lookups import NameLookups
from federation.transport.time_limit import within
from federation.transport.trust import Trust
from homeserver.domain.address_ranges import AddressRanges
from homeserver.ports.clock import Clock

Observe: TypeAlias = Callable[[str, float], None]
"""Told of every request: its outcome (the status, or the name of the error) and its seconds."""

_BEFORE_THE_REQUEST = (AddressDenied, ConnectionFailed, NameNotResolved, TlsFailed)


class Exchanges(Protocol):
    """See :class:`federation.transport.exchange.Exchange`."""

    async def send(
        self, endpoint: Endpoint, request: OutboundRequest, max_bytes: int, open_sink: OpenSink
    ) -> Answer: ...

    def close(self) -> Awaitable[None]: ...


class OutboundHttp:
    """Sends requests, within limits, over connections that it keeps for a while."""

    def __init__(
        self,
        reactor: Any,
        clock: Clock,
        lookups: NameLookups,
        ranges: AddressRanges,
        trust: Trust,
        observe: Observe = lambda outcome, seconds: None,
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._lookups = lookups
        self._ranges = ranges
        self._trust = trust
        self._observe = observe
        self._exchange: Exchanges | None = None

    async def request(
        self,
        endpoints: Sequence[Endpoint],
        request: OutboundRequest,
        limits: Limits,
        open_sink: OpenSink = collect,
    ) -> Answer:
        """The answer of the first endpoint that can be reached; any status is an answer.

        Raises OutboundError, CancelledError when it is cancelled, and what a sink raises.
        """
        began = self._clock.monotonic()
        outcome = "cancelled"
        try:
            work = self._try_each(endpoints, request, limits.max_bytes, open_sink)
            answer = await within(self._clock, limits.seconds, work)
            outcome = str(answer.status)
            return answer
        except OutboundError as error:
            outcome = type(error).__name__
            raise
        finally:
            self._observe(outcome, self._clock.monotonic() - began)

    async def close(self) -> None:
        """Close the idle connections."""
        if self._exchange is not None:
            await self._exchange.close()

    async def _try_each(
        self,
        endpoints: Sequence[Endpoint],
        request: OutboundRequest,
        max_bytes: int,
        open_sink: OpenSink,
    ) -> Answer:
        *first, last = endpoints
        has_head = False

        def note_head(head: Any) -> Any:
            nonlocal has_head
            has_head = True
            return open_sink(head)

        for endpoint in first:
            try:
                return await self._opened().send(endpoint, request, max_bytes, note_head)
            except _BEFORE_THE_REQUEST:
                if has_head:
                    raise
        return await self._opened().send(last, request, max_bytes, note_head)

    def _opened(self) -> Exchanges:
        if self._exchange is None:
            # These import OpenSSL, which a server that never asks others can do without.
            from federation.transport.connections import Dialler
            from federation.transport.exchange import Exchange

            dialler = Dialler(self._reactor, self._lookups, self._ranges, self._trust)
            self._exchange = Exchange(self._reactor, dialler)
        return self._exchange
