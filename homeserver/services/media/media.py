"""Uploads and what becomes of them.

Client-server API, "Content repository".
"""

from __future__ import annotations

import secrets
from typing import BinaryIO, Final

import attrs
import structlog

from homeserver.domain.content_uris import ContentUri, MediaId
from homeserver.domain.errors import (
    CannotOverwriteMedia,
    Forbidden,
    LimitExceeded,
    NotFound,
    NotYetUploaded,
    TooLarge,
)
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.domain.requester import Requester
from homeserver.ports.clock import Clock
from homeserver.ports.media.media import (
    Content,
    Media,
    MediaIndex,
    MediaProvider,
    PendingMedia,
    StoredFile,
)
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.media.arrivals import Arrivals
from homeserver.services.media.media_access import MediaAccess

LOOK_AGAIN_SECONDS: Final = 1.0
"""How often the database is asked for an upload that is waited for: it may go to another process,
or end just before the waiting begins."""

_TOO_MANY_PENDING_RETRY_MS: Final = 60_000

log = structlog.get_logger(__name__)


@attrs.frozen(slots=True)
class MediaSettings:
    """Limits of the content repository.

    Sizes are in bytes, times in milliseconds. ``user_quota_bytes`` limits what one user may upload
    in all, ``max_wait_ms`` how long a request may wait for an upload.
    ``unauthenticated_until_ms`` freezes the endpoints that ask for no access token: they serve only
    what was uploaded before.
    """

    server_name: ServerName
    max_upload_bytes: int = 50 * 1024 * 1024
    user_quota_bytes: int | None = None
    pending_uploads_max: int = 50
    pending_upload_lifetime_ms: int = 24 * 3600 * 1000
    max_wait_ms: int = 60_000
    unauthenticated_until_ms: int | None = None


@attrs.frozen(slots=True)
class Upload:
    """What a user sends: any open file, and what they say of it."""

    source: BinaryIO
    size: int
    content_type: str
    name: str | None = None


class MediaRepository:
    """The content repository of this server."""

    def __init__(
        self,
        index: MediaIndex,
        provider: MediaProvider,
        access: MediaAccess,
        clock: Clock,
        settings: MediaSettings,
    ) -> None:
        self._index = index
        self._provider = provider
        self._access = access
        self._clock = clock
        self._settings = settings
        self._arrivals = Arrivals(clock)

    @property
    def server_name(self) -> ServerName:
        """The server whose media this is."""
        return self._settings.server_name

    @property
    def max_upload_bytes(self) -> int:
        """The largest upload."""
        return self._settings.max_upload_bytes

    async def upload(self, requester: Requester, upload: Upload) -> ContentUri:
        """Keep an upload under a new URI. Raises UserSuspended, TooLarge, Forbidden for a user
        beyond their quota, StorageFull."""
        await self._check(requester, upload)
        media = await self._store(_new_media_id(), requester.user_id, upload)
        await self._index.add(media)
        return self._uri(media.media_id)

    async def create(self, requester: Requester) -> tuple[ContentUri, int]:
        """Make a URI to upload to later, and the time until which that may be. Raises
        UserSuspended, LimitExceeded."""
        require_not_suspended(requester)
        now_ms = self._clock.now_ms()
        pending = PendingMedia(
            _new_media_id(),
            requester.user_id,
            now_ms,
            now_ms + self._settings.pending_upload_lifetime_ms,
        )
        if not await self._index.create(pending, self._settings.pending_uploads_max):
            raise LimitExceeded(
                _TOO_MANY_PENDING_RETRY_MS, "You have too many uploads that are not completed"
            )
        return self._uri(pending.media_id), pending.expires_ts

    async def upload_to(self, uri: ContentUri, requester: Requester, upload: Upload) -> None:
        """Keep an upload under a URI made before.

        Raises NotFound for a URI that does not exist or has expired, Forbidden for another user's,
        CannotOverwriteMedia, and what `upload` raises.
        """
        found = await self._index.find(self._local(uri))
        if found is None or (isinstance(found, PendingMedia) and self._has_expired(found)):
            raise NotFound("There is no such media ID, or it has expired")
        if found.uploader != requester.user_id:
            raise Forbidden("This media ID was created by another user")
        if isinstance(found, Media):
            raise CannotOverwriteMedia()
        await self._check(requester, upload)
        media = await self._store(found.media_id, found.uploader, upload)
        if not await self._index.complete(media):
            raise CannotOverwriteMedia()
        self._arrivals.arrived(media.media_id)

    async def find(self, uri: ContentUri, timeout_ms: int, *, authenticated: bool = True) -> Media:
        """The media at a URI, awaited for some time if its upload is pending.

        Raises NotFound, NotYetUploaded.
        """
        media_id = self._local(uri)
        timeout_ms = min(max(timeout_ms, 0), self._settings.max_wait_ms)
        deadline = self._clock.monotonic() + timeout_ms / 1000
        while isinstance(found := await self._index.find(media_id), PendingMedia):
            if self._has_expired(found):
                raise NotFound("The media was not uploaded in time")
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0:
                raise NotYetUploaded()
            await self._arrivals.wait(media_id, min(remaining, LOOK_AGAIN_SECONDS))
        if found is None or found.is_quarantined or self._is_frozen(found, authenticated):
            raise NotFound("There is no such media")
        self._access.note(media_id)
        return found

    async def open(self, media: Media) -> StoredFile:
        """The bytes of media. Raises NotFound where they are lost."""
        stored = await self._provider.open(media.content)
        if stored is None:
            log.error("media_lost", media_id=media.media_id, sha256=media.content.sha256.hex())
            raise NotFound("The content of this media is lost")
        return stored

    def _uri(self, media_id: MediaId) -> ContentUri:
        return ContentUri(self._settings.server_name, media_id)

    def _local(self, uri: ContentUri) -> MediaId:
        if uri.server_name != self._settings.server_name:
            raise NotFound("This server does not fetch the media of other servers")
        return uri.media_id

    def _has_expired(self, pending: PendingMedia) -> bool:
        return pending.expires_ts <= self._clock.now_ms()

    def _is_frozen(self, media: Media, authenticated: bool) -> bool:
        until_ms = self._settings.unauthenticated_until_ms
        return not authenticated and until_ms is not None and media.created_ts >= until_ms

    async def _check(self, requester: Requester, upload: Upload) -> None:
        require_not_suspended(requester)
        if upload.size > self._settings.max_upload_bytes:
            raise TooLarge(f"Uploads may have {self._settings.max_upload_bytes} bytes at most")
        quota = self._settings.user_quota_bytes
        if quota is None:
            return
        if await self._index.uploaded_bytes(requester.user_id) + upload.size > quota:
            raise Forbidden("You have reached your quota for uploads")

    async def _store(self, media_id: MediaId, uploader: UserId, upload: Upload) -> Media:
        content: Content = await self._provider.store(upload.source)
        now_ms = self._clock.now_ms()
        return Media(media_id, uploader, content, upload.content_type, upload.name, now_ms, now_ms)


def _new_media_id() -> MediaId:
    return MediaId(secrets.token_urlsafe(18))
