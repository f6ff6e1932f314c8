"""Requests and answers of HTTP as values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import attrs

Sink: TypeAlias = Callable[[bytes], Awaitable[None] | None]
"""Takes the chunks of a body one by one; while it works on one, no more are received."""


@attrs.frozen
class OutboundRequest:
    """A request; ``target`` is the escaped path with the query.

    ``repeatable``: doing it twice is like doing it once, so it may be sent again when it is not
    certain that it arrived.
    """

    method: str
    target: str
    headers: Mapping[str, str] = attrs.Factory(dict)
    body: bytes | None = None
    repeatable: bool = False


@attrs.frozen
class Limits:
    """How long everything may take, from the look-up of the name to the last byte, and how many
    bytes the body may have."""

    seconds: float
    max_bytes: int


@attrs.frozen
class AnswerHead:
    """The status and the headers, their names in lower case.

    Those about the connection are left out, but for ``content-length`` where it is known.
    """

    status: int
    headers: Mapping[str, str]


@attrs.frozen
class Answer:
    """A complete answer. ``body`` is empty when a sink has taken it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


OpenSink: TypeAlias = Callable[[AnswerHead], Sink | None]
"""Decides what becomes of a body when the head is there; None lets it be collected."""


def collect(head: AnswerHead) -> None:
    """Let every body be collected."""
