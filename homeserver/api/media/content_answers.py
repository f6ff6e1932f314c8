"""Answers that carry content which users uploaded.

Client-server API, "Content repository" for the headers; RFC 9110 for conditional requests and
ranges.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs

from homeserver.domain.errors import InvalidParam
from homeserver.http.answers import Answer, FileAnswer, Headers, error_answer
from homeserver.http.byte_ranges import Unsatisfiable, parse_range
from homeserver.http.content_disposition import content_disposition
from homeserver.http.file_part import FilePart
from homeserver.http.request import Request
from homeserver.ports.media.media import StoredFile

_CACHE_SECONDS: Final = 86_400

# What a browser that shows content of ours may do with it: as good as nothing.
_SECURITY: Final = (
    (
        b"Content-Security-Policy",
        b"sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
        b"style-src 'unsafe-inline'; object-src 'self';",
    ),
    (b"Cross-Origin-Resource-Policy", b"cross-origin"),
    (b"X-Content-Type-Options", b"nosniff"),
)


@attrs.frozen(slots=True)
class Representation:
    """Content as it is served. ``tag`` names these very bytes; ``shared`` content needs no access
    token and may be kept by caches between us and the client."""

    content_type: str
    file_name: str | None
    tag: str
    shared: bool


async def content_answer(
    request: Request, content: Representation, open_file: Callable[[], Awaitable[StoredFile]]
) -> Answer:
    """The content, the part of it that was asked for, or that the client has it already (304).

    ``open_file`` is called only when there is something to send.
    """
    headers = _headers(content)
    content_type = content.content_type.encode()
    if _is_fresh(request.headers.get("if-none-match"), content.tag):
        return Answer(b"", 304, content_type, headers)
    stored = await open_file()
    try:
        wanted = parse_range(_range_header(request, content.tag), stored.size)
    except Unsatisfiable:
        stored.file.close()
        refused = error_answer(InvalidParam("The content does not reach as far as the range"))
        total = b"bytes */%d" % stored.size
        return attrs.evolve(refused, status=416, headers=((b"Content-Range", total),))
    if wanted is None:
        part = FilePart(stored.file, 0, stored.size)
        return FileAnswer(b"", 200, content_type, headers, part=part)
    headers = (*headers, (b"Content-Range", wanted.content_range(stored.size)))
    part = FilePart(stored.file, wanted.start, wanted.length)
    return FileAnswer(b"", 206, content_type, headers, part=part)


def _headers(content: Representation) -> Headers:
    scope = b"public" if content.shared else b"private"
    return (
        (b"Content-Disposition", content_disposition(content.content_type, content.file_name)),
        (b"Cache-Control", b"%s, max-age=%d, immutable" % (scope, _CACHE_SECONDS)),
        (b"ETag", _quoted(content.tag).encode()),
        (b"Accept-Ranges", b"bytes"),
        *_SECURITY,
    )


def _quoted(tag: str) -> str:
    return f'"{tag}"'


def _is_fresh(if_none_match: str | None, tag: str) -> bool:
    if if_none_match is None:
        return False
    stated = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return _quoted(tag) in stated or "*" in stated


def _range_header(request: Request, tag: str) -> str | None:
    if request.method != "GET":
        return None
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != _quoted(tag):
        return None
    return request.headers.get("range")
