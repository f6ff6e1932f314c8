"""Cutting the answer to /send_join into its events while it arrives."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from federation.membership.failures import UnusableAnswer

ARRAYS: Final = (b'"state"', b'"auth_chain"')
"""The arrays whose elements are events."""

MAX_EVENT_BYTES: Final = 1_000_000
"""The longest text of an event: many times what an event may have, for escapes and spaces."""
MAX_REST_BYTES: Final = 1_000_000
"""How long everything else may be."""

# A string that has not ended yet has no last group. What is in a string is never structure.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[{}\[\]]', re.DOTALL)
_BETWEEN = b", \t\r\n"
_OPENING = b"{["


class Element(NamedTuple):
    """The JSON text of an event, and whether it is one of the state."""

    is_state: bool
    text: bytes


class EventSplitter:
    """Takes a JSON text in pieces; gives the elements of its arrays of events as they end.

    It knows structure alone: whether the pieces are JSON is for whoever decodes them. ``depth`` is
    that of the members of the answer: 1, or 2 where the answer is in an array.
    """

    def __init__(self, depth: int = 1) -> None:
        self._members_depth = depth
        self._depth = 0
        self._array: bytes | None = None
        self._name = b""
        self._buffer = bytearray()
        self._position = 0
        self._begin = 0
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[Element]:
        """The elements that end in the next piece. Raises UnusableAnswer for one that is far too
        long."""
        self._buffer += chunk
        found: list[Element] = []
        while (token := _TOKEN.search(self._buffer, self._position)) is not None:
            text = token[0]
            if text[0] == ord('"'):
                if not token[1]:
                    self._position = token.start()
                    break
                if self._depth == self._members_depth:
                    self._name = bytes(text)
            elif text in _OPENING:
                self._open(text, token.start(), token.end())
            else:
                element = self._close(token.start(), token.end())
                if element is not None:
                    found.append(element)
            self._position = token.end()
        else:
            self._position = len(self._buffer)
        self._let_go()
        return found

    def rest(self) -> bytes:
        """The whole text without the elements, once all of it has come."""
        return bytes(self._rest + self._buffer[self._begin :])

    def _open(self, bracket: bytes, start: int, end: int) -> None:
        if self._array is None:
            opens_array = bracket == b"[" and self._depth == self._members_depth
            if opens_array and self._name in ARRAYS:
                self._array = self._name
                self._rest += self._buffer[self._begin : end]
                self._begin = end
        elif self._depth == self._members_depth + 1:
            self._pass_over(start)
        self._depth += 1

    def _close(self, start: int, end: int) -> Element | None:
        self._depth -= 1
        if self._array is None:
            return None
        if self._depth == self._members_depth:
            self._pass_over(start)
            self._array = None
        elif self._depth == self._members_depth + 1:
            text = bytes(self._buffer[self._begin : end])
            self._begin = end
            return Element(self._array == ARRAYS[0], text)
        return None

    def _pass_over(self, until: int) -> None:
        """What is between elements should be no more than separators; anything else stays, for the
        decoder to stumble over."""
        self._rest += self._buffer[self._begin : until].strip(_BETWEEN)
        self._begin = until

    def _let_go(self) -> None:
        """Keep no more of the text than what has not ended."""
        del self._buffer[: self._begin]
        self._position -= self._begin
        self._begin = 0
        limit = MAX_EVENT_BYTES if self._array is not None else MAX_REST_BYTES
        if len(self._buffer) > limit or len(self._rest) > MAX_REST_BYTES:
            raise UnusableAnswer("A part of the answer is far too long")
