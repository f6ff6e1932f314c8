"""Media of this server's users, for other servers.

Server-server API, "Content Repository": the answers have two parts, the first with what there is to
say of the content, which is nothing yet, the second with the content.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final, Literal

import msgspec

from federation.resources.spliced_answers import AnswerSplicer
from homeserver.domain.content_uris import ContentUri, parse_media_id
from homeserver.domain.thumbnail_sizes import Picture, ThumbnailRequest
from homeserver.http.answers import Answer
from homeserver.http.content_disposition import content_disposition
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.media.media import Media, StoredFile
from homeserver.services.media.media import MediaRepository
from homeserver.services.media.thumbnails import Thumbnails

_DEFAULT_TIMEOUT_MS: Final = 20_000

Pixels = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class DownloadQuery(msgspec.Struct):
    """Query of downloads."""

    timeout_ms: int = _DEFAULT_TIMEOUT_MS


class ThumbnailQuery(DownloadQuery, kw_only=True):
    """Query of thumbnails."""

    width: Pixels
    height: Pixels
    method: Literal["crop", "scale"] = "scale"
    animated: bool = False


class MediaApi:
    """Serves what was uploaded here, and nothing else."""

    def __init__(
        self, repository: MediaRepository, thumbnails: Thumbnails, splicer: AnswerSplicer
    ) -> None:
        self._repository = repository
        self._thumbnails = thumbnails
        self._splicer = splicer

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                (f"/_matrix/federation/v1/media/{operation}/{{mediaId}}",),
                handler,
                section="Content Repository",
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            )
            for operation, handler in (("download", self.download), ("thumbnail", self.thumbnail))
        ]

    async def download(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/media/download/{mediaId}``"""
        media = await self._find(request, request.query_as(DownloadQuery))
        stored = await self._repository.open(media)
        return await self._parts(stored, media.content_type, media.upload_name)

    async def thumbnail(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/media/thumbnail/{mediaId}``"""
        query = request.query_as(ThumbnailQuery)
        wanted = ThumbnailRequest(query.width, query.height, query.method, query.animated)
        media = await self._find(request, query)
        found = await self._thumbnails.find(media.content, wanted)
        if isinstance(found, Picture):
            stored = await self._repository.open(media)
        else:
            stored = await self._thumbnails.open(media.content, found)
        name = f"thumbnail.{found.content_type.removeprefix('image/')}"
        return await self._parts(stored, found.content_type, name)

    async def _find(self, request: Request, query: DownloadQuery) -> Media:
        media_id = parse_media_id(request.parameters["mediaId"])
        uri = ContentUri(self._repository.server_name, media_id)
        return await self._repository.find(uri, query.timeout_ms)

    async def _parts(self, stored: StoredFile, content_type: str, name: str | None) -> Answer:
        boundary = secrets.token_hex(16).encode()
        answer = self._splicer.begin()
        with stored.file as file:
            try:
                await answer.write(
                    b"--%s\r\nContent-Type: application/json\r\n\r\n{}\r\n" % boundary,
                    b"--%s\r\nContent-Type: %s\r\n" % (boundary, content_type.encode()),
                    b"Content-Disposition: %s\r\n\r\n" % content_disposition(content_type, name),
                )
                await answer.write_file(file, stored.size)
                await answer.write(b"\r\n--%s--\r\n" % boundary)
                return await answer.finish(b"multipart/mixed; boundary=%s" % boundary)
            finally:
                answer.close()
