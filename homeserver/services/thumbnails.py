"""Thumbnails: made when first asked for, kept, and shared by all media with the same content.

Client-server API, "Thumbnails".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from io import FileIO
from typing import Any, Final, TypeVar

import attrs
import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.domain.errors import NotFound, Overloaded
from homeserver.domain.picture_types import HEADER_BYTES, CannotThumbnail, picture_type
from homeserver.domain.thumbnail_sizes import (
    DEFAULT_SIZES,
    Picture,
    Rendition,
    ThumbnailRequest,
    ThumbnailSize,
    choose_rendition,
)
from homeserver.ports.clock import Clock, DelayedCall
from homeserver.ports.media import Content, MediaProvider, StoredFile
from homeserver.ports.threads import RunInThread
from homeserver.ports.thumbnails import KnownPicture, Thumbnail, ThumbnailIndex

T = TypeVar("T")

_IDLE_SECONDS: Final = 5.0
_RETRY_MS: Final = 2000

log = structlog.get_logger(__name__)


@attrs.frozen(slots=True)
class ThumbnailSettings:
    """The sizes in which thumbnails are made, and of what.

    A picture with more than ``max_pixels`` is refused; an animation that has more over all its
    frames is shown as a still. ``waiting_max`` is how many pictures may wait to be worked on before
    requests are turned away.
    """

    sizes: tuple[ThumbnailSize, ...] = DEFAULT_SIZES
    max_pixels: int = 32 * 1024 * 1024
    waiting_max: int = 100


class Thumbnails:
    """Makes thumbnails of content, on threads of its own: one or two, for they take memory."""

    def __init__(
        self,
        index: ThumbnailIndex,
        provider: MediaProvider,
        run_in_thread: RunInThread,
        clock: Clock,
        settings: ThumbnailSettings,
    ) -> None:
        self._index = index
        self._provider = provider
        self._run_in_thread = run_in_thread
        self._clock = clock
        self._settings = settings
        self._jobs = SharedJobs(settings.waiting_max, self._idle)
        self._cleaning: DelayedCall | None = None

    async def find(self, content: Content, request: ThumbnailRequest) -> Thumbnail | None:
        """The thumbnail that answers a request, made now if it has to be; None when the content
        itself is the answer, as it is.

        Raises CannotThumbnail for what is no picture, TooLarge for one that is too large,
        Overloaded, NotFound for content that is lost, StorageFull.
        """
        known = await self._index.find(content.sha256)
        if known is None:
            key = (content.sha256, None)
            known = await self._jobs.share(key, lambda: self._look_at(content))
        rendition = choose_rendition(known.picture, request, self._settings.sizes)
        if rendition is None:
            return None
        return known.thumbnail(rendition) or await self._make(content, known.picture, rendition)
