"""The image formats that thumbnails are made from, told apart by how their files begin."""

from __future__ import annotations

from typing import Final

from homeserver.domain.errors import Unknown

HEADER_BYTES: Final = 16
"""How much of a file `picture_type` looks at."""

_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})


class CannotThumbnail(Unknown):
    """The content is no picture, or a damaged one."""

    default_message = "Cannot generate thumbnails for the requested content"


def picture_type(header: bytes) -> str | None:
    """The media type of an image that begins like this, or None for anything else.

    What its uploader said it was does not matter.
    """
    if header.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if header.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if header.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if header.startswith(b"RIFF") and header[8:12] == b"WEBP":
        return "image/webp"
    if header[4:8] == b"ftyp" and header[8:12] in _AVIF_BRANDS:
        return "image/avif"
    return None
