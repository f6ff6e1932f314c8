"""Thumbnails: made when first asked for, kept, and shared by all media with the same content.

Client-server API, "Thumbnails".
"""

from __future__ import annotations

from io import FileIO
from typing import Final

import attrs
import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.errors import NotFound
from homeserver.domain.picture_types import HEADER_BYTES, CannotThumbnail, picture_type
from homeserver.domain.thumbnail_sizes import (
    DEFAULT_SIZES,
    Picture,
    Rendition,
    ThumbnailRequest,
    ThumbnailSize,
    choose_rendition,
)
from homeserver.ports.clock import Clock
from homeserver.ports.media.media import Content, MediaProvider, StoredFile
from homeserver.ports.media.thumbnails import Thumbnail, ThumbnailIndex
from homeserver.ports.threads import RunInThread
from homeserver.services.media.shared_jobs import SharedJobs
from homeserver.services.returned_memory import return_memory

IDLE_SECONDS: Final = 5.0
"""How long after making thumbnails their memory is given back to the system."""

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
    """Makes thumbnails of content, on threads of its own: one or two, for pictures take memory."""

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
        self._looking: SharedJobs[Picture] = SharedJobs(settings.waiting_max)
        self._making: SharedJobs[Thumbnail] = SharedJobs(settings.waiting_max)
        self._resting_scheduled = False

    async def find(self, content: Content, request: ThumbnailRequest) -> Thumbnail | Picture:
        """The thumbnail that answers a request, made now if it has to be, or the picture, where it
        is to be served as it is.

        Raises CannotThumbnail for what is no picture, TooLarge for one that is too large,
        Overloaded, NotFound for content that is lost, StorageFull.
        """
        known = await self._index.find(content.sha256)
        if known is not None:
            picture = known.picture
        else:
            picture = await self._looking.share(content.sha256, lambda: self._look_at(content))
        rendition = choose_rendition(picture, request, self._settings.sizes)
        if rendition is None:
            if known is None:
                await self._index.add(content.sha256, picture, None)
            return picture
        thumbnail = None if known is None else known.thumbnail(rendition)
        return thumbnail or await self._made(content, picture, rendition)

    async def open(self, content: Content, thumbnail: Thumbnail) -> StoredFile:
        """The file of a thumbnail, made again if it is gone. Raises what `find` raises."""
        name = thumbnail.rendition.name
        stored = await self._provider.open_thumbnail(content, name)
        if stored is None:
            picture = await self._looking.share(content.sha256, lambda: self._look_at(content))
            await self._made(content, picture, thumbnail.rendition)
            stored = await self._provider.open_thumbnail(content, name)
        if stored is None:
            raise NotFound("The thumbnail is lost")
        return stored

    async def _look_at(self, content: Content) -> Picture:
        stored = await self._open(content)
        return await self._run_in_thread(_look_at, stored.file, self._settings.max_pixels)

    async def _made(self, content: Content, picture: Picture, rendition: Rendition) -> Thumbnail:
        key = (content.sha256, rendition)
        return await self._making.share(key, lambda: self._make(content, picture, rendition))

    async def _make(self, content: Content, picture: Picture, rendition: Rendition) -> Thumbnail:
        stored = await self._open(content)
        content_type, encoded = await self._run_in_thread(
            _render, stored.file, picture, rendition, self._settings.max_pixels
        )
        self._rest_later()
        await self._provider.store_thumbnail(content, rendition.name, encoded)
        thumbnail = Thumbnail(rendition, content_type)
        await self._index.add(content.sha256, picture, thumbnail)
        return thumbnail

    async def _open(self, content: Content) -> StoredFile:
        stored = await self._provider.open(content)
        if stored is None:
            log.error("media_lost", sha256=content.sha256.hex())
            raise NotFound("The content of this media is lost")
        return stored

    def _rest_later(self) -> None:
        if not self._resting_scheduled:
            self._resting_scheduled = True
            self._clock.call_later(IDLE_SECONDS, self._rest)

    def _rest(self) -> None:
        self._resting_scheduled = False
        if self._making:
            self._rest_later()
            return
        Deferred.fromCoroutine(self._return_memory()).addErrback(
            lambda failure: log.error("memory_not_returned", exc_info=failure.value)
        )

    async def _return_memory(self) -> None:
        await self._run_in_thread(return_memory)


# Pillow comes with the module that uses it, when there is a picture: not with the server.


def _look_at(file: FileIO, max_pixels: int) -> Picture:
    with file:
        content_type = picture_type(file.read(HEADER_BYTES))
        if content_type is None:
            raise CannotThumbnail()
        from homeserver.services.media.picture_rendering import look_at

        return look_at(file, content_type, max_pixels)


def _render(
    file: FileIO, picture: Picture, rendition: Rendition, max_pixels: int
) -> tuple[str, bytes]:
    from homeserver.services.media.picture_rendering import render

    with file:
        encoded = render(file, picture, rendition, max_pixels)
    return encoded.content_type, encoded.data
