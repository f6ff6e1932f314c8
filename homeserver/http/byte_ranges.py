"""Requests for a part of some content: RFC 9110, "Range Requests"."""

from __future__ import annotations

import re
from typing import Final

import attrs

_RANGE: Final = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


@attrs.frozen(slots=True)
class ByteRange:
    """``length`` bytes from ``start``."""

    start: int
    length: int

    def content_range(self, size: int) -> bytes:
        """The Content-Range header of the answer."""
        return b"bytes %d-%d/%d" % (self.start, self.start + self.length - 1, size)


class Unsatisfiable(Exception):
    """The range lies outside of the content."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part that a Range header asks for of content of ``size`` bytes.

    None means all of it: for no header, and for several ranges or other units, which a server may
    disregard. Raises Unsatisfiable.
    """
    match = None if header is None else _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match[1], match[2]
    if not first and not last:
        return None
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise Unsatisfiable
        return ByteRange(size - length, length)
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, end - start + 1)
