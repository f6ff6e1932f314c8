"""How browsers are told to show content that users uploaded.

Client-server API, "Serving inline content"; RFC 6266 and RFC 8187 for the header.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from homeserver.domain.errors import InvalidParam

MAX_NAME_LENGTH: Final = 512
"""The longest name of a file, in characters."""

INLINE_TYPES: Final = frozenset(
    {
        "text/css",
        "text/plain",
        "text/csv",
        "application/json",
        "application/ld+json",
        "image/jpeg",
        "image/gif",
        "image/png",
        "image/apng",
        "image/webp",
        "image/avif",
        "video/mp4",
        "video/webm",
        "video/ogg",
        "video/quicktime",
        "audio/mp4",
        "audio/webm",
        "audio/aac",
        "audio/mpeg",
        "audio/ogg",
        "audio/wave",
        "audio/wav",
        "audio/x-wav",
        "audio/x-pn-wav",
        "audio/flac",
        "audio/x-flac",
    }
)
"""What a browser may show in place: it cannot run as a script."""

UNKNOWN_TYPE: Final = "application/octet-stream"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}[ \t]*(?:;[\x20-\x7e\t]*)?")
_MAX_TYPE_LENGTH: Final = 255

# Browsers disagree on escapes within quotes, and some decode percent signs there.
_QUOTABLE: Final = re.compile(r"[ !#$&-\[\]-~]+")


def parse_content_type(raw: str | None) -> str:
    """The media type that an upload states, as it will be served; application/octet-stream for
    none and for one that is obviously wrong."""
    stated = (raw or "").strip()
    if len(stated) > _MAX_TYPE_LENGTH or _MEDIA_TYPE.fullmatch(stated) is None:
        return UNKNOWN_TYPE
    return stated


def parse_file_name(raw: str | None) -> str | None:
    """The name of an uploaded file, or None for none. Raises InvalidParam."""
    if not raw:
        return None
    if len(raw) > MAX_NAME_LENGTH:
        raise InvalidParam(f"The file name is longer than {MAX_NAME_LENGTH} characters")
    if "\0" in raw or any("\ud800" <= character <= "\udfff" for character in raw):
        raise InvalidParam("The file name is not valid text")
    return raw


def content_disposition(content_type: str, file_name: str | None) -> bytes:
    """The header for content of a type: ``inline`` where that is safe, else ``attachment``."""
    essence = content_type.partition(";")[0].strip().lower()
    disposition = "inline" if essence in INLINE_TYPES else "attachment"
    if file_name is None:
        return disposition.encode()
    if _QUOTABLE.fullmatch(file_name):
        return f'{disposition}; filename="{file_name}"'.encode()
    return f"{disposition}; filename*=utf-8''{quote(file_name, safe='')}".encode()
