"""The content repository, put together."""

from __future__ import annotations

from pathlib import Path

import attrs

from federation.queries.remote_media import RemoteMediaFetcher
from homeserver.api.media.media import MediaApi
from homeserver.domain.thumbnail_sizes import ThumbnailSize
from homeserver.http.routes import Api
from homeserver.runtime.wiring.federation_resources import build_remote_media
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.services.media.media import MediaRepository, MediaSettings
from homeserver.services.media.media_access import MediaAccess
from homeserver.services.media.thumbnails import Thumbnails, ThumbnailSettings
from storage.media.local_media import LocalMedia
from storage.media.media import SqlMediaIndex
from storage.media.thumbnails import SqlThumbnailIndex


@attrs.frozen
class MediaArea:
    """The content repository."""

    apis: list[Api]
    repository: MediaRepository
    thumbnails: Thumbnails
    access: MediaAccess
    incoming: Path
    """Where uploads are received, so that storing them takes no copy."""

    async def stop(self) -> None:
        """Store what is known of when content was last asked for."""
        await self.access.flush()


def build_media(on: Foundation, elsewhere: RemoteMediaFetcher | None) -> MediaArea:
    """Uploads, downloads and thumbnails, on threads of their own; ``elsewhere`` fetches the media
    of other servers."""
    media = on.config.media
    index = SqlMediaIndex(on.log)
    provider = LocalMedia(on.config.media_path, on.workers(2, "media").run)
    access = MediaAccess(index, on.clock)
    settings = MediaSettings(
        server_name=on.server_name,
        max_upload_bytes=media.max_upload_bytes,
        pending_uploads_max=media.pending_uploads_max,
        pending_upload_lifetime_ms=media.pending_upload_lifetime_seconds * 1000,
    )
    thumbnails = Thumbnails(
        SqlThumbnailIndex(on.log),
        provider,
        on.workers(1, "thumbnails").run,
        on.clock,
        ThumbnailSettings(
            sizes=tuple(
                ThumbnailSize(size.width, size.height, size.method)
                for size in media.thumbnail_sizes
            ),
            max_pixels=media.max_pixels,
        ),
    )
    repository = MediaRepository(index, provider, access, on.clock, settings)
    remote = None
    if elsewhere is not None:
        remote = build_remote_media(on, elsewhere, provider, provider.incoming)
    return MediaArea(
        [MediaApi(repository, thumbnails, remote)],
        repository,
        thumbnails,
        access,
        provider.incoming,
    )
