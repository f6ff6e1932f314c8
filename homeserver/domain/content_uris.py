"""Matrix Content (``mxc://``) URIs.

Client-server API, "Matrix Content (mxc://) URIs" and the security considerations of the content
repository.
"""

from __future__ import annotations

import re
from typing import Final, NewType

import attrs

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import ServerName, parse_server_name

MediaId = NewType("MediaId", str)

_MEDIA_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")


@attrs.frozen(slots=True)
class ContentUri:
    """Where content lies: the server it was uploaded to, and its ID there."""

    server_name: ServerName
    media_id: MediaId

    def __str__(self) -> str:
        return f"mxc://{self.server_name}/{self.media_id}"


def parse_media_id(raw: str) -> MediaId:
    """Parse a media ID; raises InvalidParam for anything but letters, digits, ``_`` and ``-``."""
    if _MEDIA_ID.fullmatch(raw) is None:
        raise InvalidParam("This is not a valid media ID")
    return MediaId(raw)


def make_content_uri(server_name: str, media_id: str) -> ContentUri:
    """The URI with these two parts, as they come in a path. Raises InvalidParam."""
    return ContentUri(parse_server_name(server_name), parse_media_id(media_id))
