"""Receiving the body of an answer: within a limit of size, and no faster than it is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from federation.transport.errors import AnswerTooLarge
from federation.transport.messages import Sink


async def receive_body(response: Any, sink: Sink, max_bytes: int, abort: Callable[[], Any]) -> None:
    """Pass the body of a response to ``sink``; ``abort`` drops the connection.

    Raises AnswerTooLarge, what ``sink`` raises, and what the connection was lost for.
    """
    if isinstance(response.length, int) and response.length > max_bytes:
        abort()
        raise AnswerTooLarge(f"the answer has {response.length} bytes, at most {max_bytes} may be")
    receiver = _Receiver(sink, max_bytes, abort)
    response.deliverBody(receiver)
    await receiver.finished


class _Receiver(Protocol):
    def __init__(self, sink: Sink, max_bytes: int, abort: Callable[[], Any]) -> None:
        self._sink = sink
        self._max_bytes = max_bytes
        self._abort = abort
        self._received = 0
        self._waiting: deque[bytes] = deque()
        self._is_busy = False
        self._end: Failure | None = None
        self.finished: Deferred[None] = Deferred(lambda _: abort())

    def dataReceived(self, data: bytes) -> None:
        if self.finished.called:
            return
        self._received += len(data)
        if self._received > self._max_bytes:
            why = f"the answer has more than {self._max_bytes} bytes"
            self._fail(Failure(AnswerTooLarge(why)))
            return
        self._waiting.append(data)
        self._deliver()

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008
        self._end = reason
        self._deliver()

    def _deliver(self) -> None:
        while self._waiting and not self._is_busy and not self.finished.called:
            try:
                work = self._sink(self._waiting.popleft())
            except Exception:
                self._fail(Failure())
                return
            if work is not None:
                self._is_busy = True
                self._transport.pauseProducing()
                ensureDeferred(_completed(work)).addCallbacks(self._go_on, self._fail)
        if self._end is None or self._is_busy or self.finished.called:
            return
        # Answers without a length end with their connection.
        if self._end.check(ResponseDone, PotentialDataLoss):
            self.finished.callback(None)
        else:
            self.finished.errback(self._end)

    @property
    def _transport(self) -> Any:
        return self.transport

    def _go_on(self, _: None) -> None:
        self._is_busy = False
        self._transport.resumeProducing()
        self._deliver()

    def _fail(self, failure: Failure) -> None:
        self._waiting.clear()
        if not self.finished.called:
            self.finished.errback(failure)
            self._abort()


async def _completed(work: Awaitable[None]) -> None:
    await work
