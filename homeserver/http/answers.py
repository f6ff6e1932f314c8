"""What a handler answers."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from homeserver.domain.errors import LimitExceeded, MatrixError
from homeserver.http.file_part import FilePart

JSON = b"application/json"
Headers = tuple[tuple[bytes, bytes], ...]

encode_json = msgspec.json.Encoder().encode


@attrs.frozen(slots=True)
class Answer:
    """A complete response: status, body and the headers beyond those that every answer carries."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: Headers = ()


@attrs.frozen(slots=True)
class FileAnswer(Answer):
    """A response whose body is a part of an open file, which is closed when it is sent; ``body`` is
    unused."""

    part: FilePart = attrs.field(kw_only=True)


EMPTY = Answer(b"{}")


def ok(value: Any, status: int = 200) -> Answer:
    """The JSON of ``value``: a dict, a list or a msgspec Struct."""
    return Answer(encode_json(value), status)


def error_answer(error: MatrixError) -> Answer:
    """The one place where a typed error becomes a response."""
    headers: Headers = ()
    if isinstance(error, LimitExceeded):
        seconds = max(1, -(-error.retry_after_ms // 1000))
        headers = ((b"Retry-After", str(seconds).encode()),)
    return Answer(encode_json(error.body()), error.status, headers=headers)


def redirect(location: str) -> Answer:
    """302 to another address."""
    return Answer(b"", 302, b"text/plain", ((b"Location", location.encode()),))
