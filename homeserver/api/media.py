"""The content repository.

Client-server API, "Content repository": uploads, downloads and thumbnails, through the endpoints
that ask for an access token and through the older ones that do not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import attrs
import msgspec

from homeserver.domain.content_uris import ContentUri, make_content_uri
from homeserver.domain.errors import InvalidParam
from homeserver.domain.thumbnail_sizes import Picture, ThumbnailRequest
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.content_disposition import (
    content_disposition,
    parse_content_type,
    parse_file_name,
)
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.services.media import MediaRepository, Upload
from homeserver.services.thumbnails import Thumbnails

_SECTION = "Content repository"
