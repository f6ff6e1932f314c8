"""Media of other servers: fetched when somebody asks for it, and kept.

Client-server API, "Content repository"; server-server API, "Content Repository".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final

import attrs
import structlog
from twisted.internet.defer import CancelledError, Deferred

from homeserver.domain.content_uris import ContentUri
from homeserver.domain.errors import NotFound, NotYetUploaded
from homeserver.ports.clock import Clock
from homeserver.ports.federation.remote_media import RemoteMediaFetcher
from homeserver.ports.media.media import MediaProvider, StoredFile
from homeserver.ports.media.remote_media import RemoteMedia, RemoteMediaIndex
from homeserver.services.media.shared_jobs import SharedJobs

NOTED_AFTER_MS: Final = 3_600_000
"""How old the note of the last access may be before it is renewed."""

log = structlog.get_logger(__name__)


def nothing_is_blocked(uri: ContentUri) -> bool:
    """Let all media be fetched."""
    return False


@attrs.frozen(slots=True)
class RemoteMediaSettings:
    """Limits of what is fetched.

    Sizes are in bytes, times in milliseconds. ``open_spool`` opens a file to fetch into.
    ``is_blocked`` tells which media is neither fetched nor served. For ``max_wait_ms`` and
    ``unauthenticated_until_ms`` see :class:`homeserver.services.media.media.MediaSettings`; here
    the time at which media was fetched counts.
    """

    open_spool: Callable[[], BinaryIO]
    max_bytes: int = 50 * 1024 * 1024
    max_wait_ms: int = 60_000
    fetches_max: int = 50
    unauthenticated_until_ms: int | None = None
    is_blocked: Callable[[ContentUri], bool] = nothing_is_blocked


class RemoteMediaCache:
    """Keeps the media of other servers that users of this one have asked for."""

    def __init__(
        self,
        index: RemoteMediaIndex,
        provider: MediaProvider,
        fetcher: RemoteMediaFetcher,
        clock: Clock,
        settings: RemoteMediaSettings,
    ) -> None:
        self._index = index
        self._provider = provider
        self._fetcher = fetcher
        self._clock = clock
        self._settings = settings
        self._fetching: SharedJobs[RemoteMedia] = SharedJobs(settings.fetches_max)

    async def find(
        self, uri: ContentUri, timeout_ms: int, *, authenticated: bool = True
    ) -> RemoteMedia:
        """The media at a URI of another server, fetched now unless it is here.

        Raises NotFound; NotYetUploaded when it does not arrive in time (fetching it goes on);
        Overloaded; and what the fetcher raises.
        """
        if self._settings.is_blocked(uri):
            raise NotFound("This media is not served")
        found = await self._index.find(uri)
        if found is None:
            if not authenticated and self._settings.unauthenticated_until_ms is not None:
                raise NotFound("There is no such media")
            return await self._fetched(uri, timeout_ms)
        if found.is_quarantined or self._is_frozen(found, authenticated):
            raise NotFound("There is no such media")
        now_ms = self._clock.now_ms()
        if now_ms - found.last_access_ts > NOTED_AFTER_MS:
            await self._index.accessed(uri, now_ms)
        return found

    async def open(self, media: RemoteMedia) -> StoredFile:
        """The bytes of media; fetched again where they are lost. Raises as ``find``."""
        stored = await self._provider.open(media.content)
        if stored is None:
            log.warning("remote_media_lost", uri=str(media.uri))
            media = await self._fetched(media.uri, self._settings.max_wait_ms)
            stored = await self._provider.open(media.content)
        if stored is None:
            raise NotFound("The content of this media is lost")
        return stored

    def _is_frozen(self, media: RemoteMedia, authenticated: bool) -> bool:
        until_ms = self._settings.unauthenticated_until_ms
        return not authenticated and until_ms is not None and media.fetched_ts >= until_ms

    async def _fetched(self, uri: ContentUri, timeout_ms: int) -> RemoteMedia:
        wait_ms = min(max(timeout_ms, 0), self._settings.max_wait_ms)
        waiting = Deferred.fromCoroutine(
            self._fetching.share(uri, lambda: self._fetch(uri, wait_ms))
        )
        is_over = False

        def give_up() -> None:
            nonlocal is_over
            is_over = True
            waiting.cancel()

        timer = self._clock.call_later(wait_ms / 1000, give_up)
        try:
            return await waiting
        except CancelledError:
            if is_over:
                raise NotYetUploaded("The content has not arrived yet") from None
            raise
        finally:
            timer.cancel()

    async def _fetch(self, uri: ContentUri, wait_ms: int) -> RemoteMedia:
        with self._settings.open_spool() as file:
            fetched = await self._fetcher.fetch(
                uri, file, max_bytes=self._settings.max_bytes, wait_ms=wait_ms
            )
            content = await self._provider.store(file)
        now_ms = self._clock.now_ms()
        media = RemoteMedia(uri, content, fetched.content_type, fetched.upload_name, now_ms, now_ms)
        await self._index.add(media)
        return media
