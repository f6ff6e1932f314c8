"""Reading the two parts of an answer with media, while they arrive.

Server-server API, "Content Repository"; RFC 2046 for the form.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from homeserver.domain.errors import UnableToRetrieve

MAX_HEADER_BYTES: Final = 16_384
MAX_METADATA_BYTES: Final = 65_536
_MAX_BOUNDARY: Final = 70
_PARTS: Final = 2


class BrokenParts(UnableToRetrieve):
    """The answer does not have the form that it must have."""

    default_message = "The other server does not send media in two parts"


class _At(enum.Enum):
    OUTSIDE = enum.auto()
    DELIMITER = enum.auto()
    HEADERS = enum.auto()
    BLANK_LINE = enum.auto()
    BODY = enum.auto()
    END = enum.auto()


class MultipartMedia:
    """Takes the body of an answer piece by piece and passes the bytes of the media on.

    ``headers`` are those of the part with the media, once they have arrived.
    """

    def __init__(self, content_type: str, write: Callable[[bytes], object]) -> None:
        self._delimiter = b"\r\n--" + _boundary(content_type)
        self._write = write
        # The first delimiter may come without an end of line before it.
        self._buffer = bytearray(b"\r\n")
        self._at = _At.OUTSIDE
        self._part = 0
        self._metadata_bytes = 0
        self.headers: Message = Message()

    def take(self, chunk: bytes) -> None:
        """Take a piece. Raises BrokenParts, and what ``write`` raises."""
        self._buffer += chunk
        while self._at is not _At.END and self._step():
            pass
        if self._at is _At.END:
            self._buffer.clear()

    def finish(self) -> None:
        """The answer has ended. Raises BrokenParts when it should not have."""
        if self._at is not _At.END or self._part != _PARTS:
            raise BrokenParts()

    def _step(self) -> bool:
        """Go on as far as the buffer allows; whether another step may be possible."""
        if self._at is _At.DELIMITER:
            return self._read_delimiter()
        if self._at is _At.HEADERS:
            return self._read_headers()
        if self._at is _At.BLANK_LINE:
            return self._read_blank_line()
        return self._read_body()

    def _read_body(self) -> bool:
        end = self._buffer.find(self._delimiter)
        if end >= 0:
            self._pass_on(bytes(self._buffer[:end]))
            del self._buffer[: end + len(self._delimiter)]
            self._at = _At.DELIMITER
            return True
        # What could be the beginning of a delimiter waits for the rest of it.
        sure = max(0, len(self._buffer) - len(self._delimiter) + 1)
        self._pass_on(bytes(self._buffer[:sure]))
        del self._buffer[:sure]
        return False

    def _pass_on(self, data: bytes) -> None:
        if self._at is _At.BODY and self._part == _PARTS:
            if data:
                self._write(data)
            return
        self._metadata_bytes += len(data)
        if self._metadata_bytes > MAX_METADATA_BYTES:
            raise BrokenParts()

    def _read_delimiter(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer.startswith(b"--"):
            self._at = _At.END
            return False
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return self._wait_for_more()
        if self._buffer[:end].strip(b" \t"):
            raise BrokenParts()
        # The end of line stays: with another one it ends headers that are none.
        del self._buffer[:end]
        self._part += 1
        if self._part > _PARTS:
            raise BrokenParts()
        self._at = _At.HEADERS
        return True

    def _read_headers(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return self._wait_for_more()
        if self._part == _PARTS:
            self.headers = BytesHeaderParser().parsebytes(bytes(self._buffer[2 : end + 2]))
        del self._buffer[: end + 2]
        self._at = _At.BLANK_LINE
        return True

    def _read_blank_line(self) -> bool:
        """Skip the line between headers and body, unless there is no body and its end of line is
        already that of the delimiter."""
        start = bytes(self._buffer[: len(self._delimiter)])
        if len(start) < len(self._delimiter) and self._delimiter.startswith(start):
            return False
        if start != self._delimiter:
            del self._buffer[:2]
        self._at = _At.BODY
        return True

    def _wait_for_more(self) -> bool:
        if len(self._buffer) > MAX_HEADER_BYTES:
            raise BrokenParts()
        return False


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    is_multipart = header.get_content_maintype() == "multipart"
    if not is_multipart or not boundary or len(boundary) > _MAX_BOUNDARY or not boundary.isascii():
        raise BrokenParts()
    return boundary.encode("ascii")
