"""One request and its answer over HTTP/1.1, on one connection.

This module imports OpenSSL, which takes 12 MB: it is imported when the first request goes out.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IStreamClientEndpoint
from twisted.web.client import URI, Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from federation.transport.connection_failures import explain
from federation.transport.connections import Dialler, Line, LinePool
from federation.transport.endpoints import Endpoint
from federation.transport.errors import ConnectionFailed
from federation.transport.messages import Answer, AnswerHead, OpenSink, OutboundRequest
from federation.transport.response_body import receive_body


class Exchange:
    """Sends requests over the lines of a pool."""

    def __init__(self, reactor: Any, dialler: Dialler) -> None:
        self._reactor = reactor
        self._dialler = dialler
        self._pool = LinePool(reactor)

    async def send(
        self, endpoint: Endpoint, request: OutboundRequest, max_bytes: int, open_sink: OpenSink
    ) -> Answer:
        """The answer of one endpoint.

        A request that failed because an idle connection had been closed is sent again when it is
        repeatable. Raises OutboundError, and what the sink raises.
        """
        while True:
            line = Line(self._dialler, endpoint)
            try:
                return await self._send_once(line, endpoint, request, max_bytes, open_sink)
            except Exception as error:
                explained = explain(error)
                is_stale = isinstance(explained, ConnectionFailed) and not line.is_new
                if is_stale and request.repeatable and not line.has_head:
                    continue
                if explained is error:
                    raise
                raise explained from error

    async def _send_once(
        self,
        line: Line,
        endpoint: Endpoint,
        request: OutboundRequest,
        max_bytes: int,
        open_sink: OpenSink,
    ) -> Answer:
        agent = Agent.usingEndpointFactory(self._reactor, _Towards(line), self._pool)
        scheme = "http" if endpoint.tls_name is None else "https"
        response = await agent.request(
            request.method.encode("ascii"),
            f"{scheme}://{endpoint.host_header}{request.target}".encode("ascii"),
            _headers(endpoint, request),
            None if request.body is None else _Body(request.body),
        )
        line.head_arrived()
        head = _head_of(response)
        chunks: list[bytes] = []
        try:
            sink = open_sink(head)
            await receive_body(response, sink or chunks.append, max_bytes, line.abort)
        except BaseException:
            # What is left of the answer must not be read by the next request.
            line.abort()
            raise
        return Answer(head.status, head.headers, b"".join(chunks))

    def close(self) -> Deferred[None]:
        """Close the idle connections."""
        closed: Deferred[None] = self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        return closed


def _headers(endpoint: Endpoint, request: OutboundRequest) -> Headers:
    headers = Headers({"Host": [endpoint.host_header]})
    for name, value in request.headers.items():
        headers.setRawHeaders(name, [value])
    return headers


def _head_of(response: IResponse) -> AnswerHead:
    headers = {
        name.decode("latin-1").lower(): ", ".join(value.decode("latin-1") for value in values)
        for name, values in response.headers.getAllRawHeaders()
    }
    if isinstance(response.length, int):
        headers["content-length"] = str(response.length)
    return AnswerHead(response.code, headers)


@implementer(IAgentEndpointFactory)
class _Towards:
    """Lets a request take the line that was laid for it, whatever its URL says."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self._line


@implementer(IBodyProducer)
class _Body:
    """A body that is complete from the start."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Everything has been written already."""

    def resumeProducing(self) -> None:
        """Everything has been written already."""

    def stopProducing(self) -> None:
        """Everything has been written already."""
