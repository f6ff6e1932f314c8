"""The content repository.

Client-server API, "Content repository": uploads, downloads and thumbnails, through the endpoints
that ask for an access token and through the older ones that do not.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from homeserver.api.media.content_answers import Representation, content_answer
from homeserver.domain.content_uris import ContentUri, make_content_uri
from homeserver.domain.errors import NotFound
from homeserver.domain.thumbnail_sizes import Picture, ThumbnailRequest
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.content_disposition import parse_content_type, parse_file_name
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.ports.media.media import Media, StoredFile
from homeserver.ports.media.remote_media import RemoteMedia
from homeserver.services.media.media import MediaRepository, Upload
from homeserver.services.media.remote_media import RemoteMediaCache
from homeserver.services.media.thumbnails import Thumbnails

_SECTION: Final = "Content repository"
_DEFAULT_TIMEOUT_MS: Final = 20_000

Pixels = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class DownloadQuery(msgspec.Struct):
    """Query of downloads. Nothing is redirected, so that ``allow_redirect`` changes nothing."""

    timeout_ms: int = _DEFAULT_TIMEOUT_MS
    allow_remote: bool = True
    allow_redirect: bool = False


class ThumbnailQuery(DownloadQuery, kw_only=True):
    """Query of thumbnails."""

    width: Pixels
    height: Pixels
    method: Literal["crop", "scale"] = "scale"
    animated: bool = False


class MediaApi:
    """The content repository of this server, and what others have.

    Without ``remote`` nothing is fetched from other servers.
    """

    def __init__(
        self,
        repository: MediaRepository,
        thumbnails: Thumbnails,
        remote: RemoteMediaCache | None = None,
    ) -> None:
        self._repository = repository
        self._thumbnails = thumbnails
        self._remote = remote

    def routes(self) -> list[Route]:
        """The operations of this area."""
        return [*self._upload_routes(), *self._download_routes()]

    def _upload_routes(self) -> list[Route]:
        return [
            route(
                "POST",
                _media("/upload"),
                self.upload,
                rate=RateClass.MEDIA,
                section=_SECTION,
                streams_body=True,
            ),
            route(
                "PUT",
                _media("/upload/{serverName}/{mediaId}", "v3"),
                self.upload_to,
                rate=RateClass.MEDIA,
                section=_SECTION,
                streams_body=True,
            ),
            route(
                "POST",
                _media("/create", "v1"),
                self.create,
                rate=RateClass.MEDIA,
                section=_SECTION,
            ),
            route(
                "GET",
                client("/media/config", "v1") + _media("/config"),
                self.config,
                section=_SECTION,
            ),
        ]

    def _download_routes(self) -> list[Route]:
        operations = (
            ("/download/{serverName}/{mediaId}", self.download),
            ("/download/{serverName}/{mediaId}/{fileName}", self.download),
            ("/thumbnail/{serverName}/{mediaId}", self.thumbnail),
        )
        surfaces = (
            (lambda path: client(f"/media{path}", "v1"), Access.GUEST),
            (_media, Access.PUBLIC),
        )
        return [
            route(
                "GET",
                paths(path),
                handler,
                access=access,
                rate=RateClass.MEDIA,
                section=_SECTION,
            )
            for paths, access in surfaces
            for path, handler in operations
        ]

    async def upload(self, request: Request) -> Answer:
        """``POST /upload``"""
        uri = await self._repository.upload(request.requester, _upload(request))
        return ok({"content_uri": str(uri)})

    async def upload_to(self, request: Request) -> Answer:
        """``PUT /upload/{serverName}/{mediaId}``"""
        await self._repository.upload_to(_uri(request), request.requester, _upload(request))
        return EMPTY

    async def create(self, request: Request) -> Answer:
        """``POST /create``"""
        uri, expires_ts = await self._repository.create(request.requester)
        return ok({"content_uri": str(uri), "unused_expires_at": expires_ts})

    async def config(self, request: Request) -> Answer:
        """``GET /config``"""
        return ok({"m.upload.size": self._repository.max_upload_bytes})

    async def download(self, request: Request) -> Answer:
        """``GET /download/{serverName}/{mediaId}``, and the same with a file name."""
        query = request.query_as(DownloadQuery)
        chosen_name = parse_file_name(request.parameters.get("fileName"))
        media = await self._find(request, query)
        content = Representation(
            media.content_type,
            chosen_name or media.upload_name,
            media.content.sha256.hex(),
            not _is_authenticated(request),
        )
        return await content_answer(request, content, lambda: self._open(media))

    async def thumbnail(self, request: Request) -> Answer:
        """``GET /thumbnail/{serverName}/{mediaId}``"""
        query = request.query_as(ThumbnailQuery)
        wanted = ThumbnailRequest(query.width, query.height, query.method, query.animated)
        media = await self._find(request, query)
        tag = media.content.sha256.hex()
        found = await self._thumbnails.find(media.content, wanted)
        content = Representation(
            found.content_type,
            f"thumbnail.{found.content_type.removeprefix('image/')}",
            tag if isinstance(found, Picture) else f"{tag}-{found.rendition.name}",
            not _is_authenticated(request),
        )
        if isinstance(found, Picture):
            return await content_answer(request, content, lambda: self._open(media))
        return await content_answer(
            request, content, lambda: self._thumbnails.open(media.content, found)
        )

    async def _find(self, request: Request, query: DownloadQuery) -> Media | RemoteMedia:
        uri, authenticated = _uri(request), _is_authenticated(request)
        if self._remote is None or uri.server_name == self._repository.server_name:
            return await self._repository.find(uri, query.timeout_ms, authenticated=authenticated)
        if not query.allow_remote:
            raise NotFound("This is the media of another server")
        return await self._remote.find(uri, query.timeout_ms, authenticated=authenticated)

    async def _open(self, media: Media | RemoteMedia) -> StoredFile:
        if isinstance(media, Media):
            return await self._repository.open(media)
        if self._remote is None:
            raise NotFound("This is the media of another server")
        return await self._remote.open(media)


def _media(path: str, *versions: str) -> tuple[str, ...]:
    """Paths outside of the client-server API's, under all names they ever had unless told."""
    return tuple(f"/_matrix/media/{version}{path}" for version in versions or ("v3", "r0", "v1"))


def _is_authenticated(request: Request) -> bool:
    # The older endpoints are public: on them a token is not even looked at.
    return request.requester_or_none is not None


def _uri(request: Request) -> ContentUri:
    return make_content_uri(request.parameters["serverName"], request.parameters["mediaId"])


def _upload(request: Request) -> Upload:
    return Upload(
        request.content,
        request.content_length,
        parse_content_type(request.headers.get("content-type")),
        parse_file_name(request.query_value("filename")),
    )
