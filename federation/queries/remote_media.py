"""Media of other servers.

Server-server API, "Content Repository": first as servers ask each other, then, of servers that do
not know of that yet, as clients once did.
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from typing import BinaryIO, Final, Protocol

from federation.queries.asking import for_client
from federation.queries.multipart_media import BrokenParts, MultipartMedia
from federation.transport.errors import OutboundError, RemoteError
from federation.transport.messages import Answer, AnswerHead, Limits, OpenSink, Sink
from federation.transport.request_paths import Query, federation_path
from homeserver.domain.content_uris import ContentUri
from homeserver.domain.errors import (
    InvalidParam,
    MatrixError,
    NotFound,
    NotYetUploaded,
    UnableToRetrieve,
)
from homeserver.domain.identifiers import ServerName
from homeserver.http.content_disposition import parse_content_type, parse_file_name
from homeserver.ports.federation.remote_media import FetchedMedia, RemoteMediaTooLarge

TRANSFER_SECONDS: Final = 300.0
"""How long a file may take to arrive, once it has been uploaded."""

_OLDER_PATH: Final = "/_matrix/media/v3/download"
# What is around the media in an answer of two parts.
_AROUND_BYTES: Final = 131_072
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class MediaServers(Protocol):
    """What fetching media asks of the federation's client; see
    :class:`federation.transport.federation_client.FederationClient`."""

    async def stream(
        self,
        method: str,
        destination: ServerName,
        path: str,
        open_sink: OpenSink,
        *,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> AnswerHead:
        """Pass the body of an answer on while it arrives."""
        ...


class WebFiles(Protocol):
    """Gets what URLs lead to, from addresses that may be connected to; see
    :func:`federation.transport.urls.get_url`."""

    async def __call__(self, url: str, limits: Limits, *, open_sink: OpenSink) -> Answer: ...


class RemoteMediaFetcher:
    """See :class:`homeserver.ports.federation.remote_media.RemoteMediaFetcher`."""

    def __init__(self, servers: MediaServers, get_url: WebFiles) -> None:
        self._servers = servers
        self._get_url = get_url

    async def fetch(
        self, uri: ContentUri, into: BinaryIO, *, max_bytes: int, wait_ms: int
    ) -> FetchedMedia:
        transfer = _Transfer(uri, into, max_bytes, wait_ms)
        try:
            return await self._fetch(transfer)
        except RemoteError as error:
            if not _is_unknown_operation(error):
                raise _refusal(error) from error
        try:
            return await self._fetch_as_clients_did(transfer)
        except RemoteError as error:
            raise _refusal(error) from error

    async def _fetch(self, transfer: _Transfer) -> FetchedMedia:
        parts: list[MultipartMedia] = []

        def open_sink(head: AnswerHead) -> Sink:
            write = transfer.begin(head, _AROUND_BYTES)
            parts.append(MultipartMedia(head.headers.get("content-type", ""), write))
            return lambda chunk: parts[-1].take(chunk)

        uri = transfer.uri
        await self._servers.stream(
            "GET",
            uri.server_name,
            federation_path("media", "download", uri.media_id),
            open_sink,
            query={"timeout_ms": str(transfer.wait_ms)},
            timeout=transfer.seconds,
            max_bytes=transfer.max_answer_bytes,
        )
        if not parts:
            raise BrokenParts()
        parts[-1].finish()
        headers = parts[-1].headers
        location = headers.get("Location")
        if location is not None:
            return await self._fetch_from(str(location).strip(), transfer)
        return _described(headers.get("Content-Type"), headers.get("Content-Disposition"))

    async def _fetch_as_clients_did(self, transfer: _Transfer) -> FetchedMedia:
        uri = transfer.uri
        try:
            head = await self._servers.stream(
                "GET",
                uri.server_name,
                f"{_OLDER_PATH}/{uri.server_name}/{uri.media_id}",
                transfer.begin,
                query={
                    "allow_remote": "false",
                    "allow_redirect": "true",
                    "timeout_ms": str(transfer.wait_ms),
                },
                timeout=transfer.seconds,
                max_bytes=transfer.max_answer_bytes,
            )
        except RemoteError as error:
            location = error.remote_fields.get("location")
            if error.remote_status not in _REDIRECTS or not isinstance(location, str):
                raise
            return await self._fetch_from(location, transfer)
        return _described_by(head)

    async def _fetch_from(self, url: str, transfer: _Transfer) -> FetchedMedia:
        """What a URL leads to, which may be anywhere; servers are told nothing of who asks."""

        def open_sink(head: AnswerHead) -> Sink:
            return transfer.begin(head) if head.status == 200 else _ignore

        limits = Limits(transfer.seconds, transfer.max_answer_bytes)
        try:
            answer = await self._get_url(url, limits, open_sink=open_sink)
        except OutboundError as error:
            raise UnableToRetrieve("The media is not where its server says") from error
        if answer.status != 200:
            raise UnableToRetrieve("The media is not where its server says")
        return _described_by(AnswerHead(answer.status, answer.headers))


class _Transfer:
    """Media on its way into a file."""

    def __init__(self, uri: ContentUri, into: BinaryIO, max_bytes: int, wait_ms: int) -> None:
        self.uri = uri
        self.wait_ms = wait_ms
        self._into = into
        self._max_bytes = max_bytes
        self._written = 0

    @property
    def seconds(self) -> float:
        """How long a request may take."""
        return self.wait_ms / 1000 + TRANSFER_SECONDS

    @property
    def max_answer_bytes(self) -> int:
        """How long an answer may be: so long that media that is too large is noticed before. To
        the client a longer answer would be the failure of a server."""
        return 2 * self._max_bytes + 2 * _AROUND_BYTES

    def begin(self, head: AnswerHead, around: int = 0) -> Callable[[bytes], None]:
        """Begin with an empty file. Raises RemoteMediaTooLarge when the answer says so."""
        length = head.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > self._max_bytes + around:
            raise RemoteMediaTooLarge()
        self._into.seek(0)
        self._into.truncate()
        self._written = 0
        return self._write

    def _write(self, chunk: bytes) -> None:
        self._written += len(chunk)
        if self._written > self._max_bytes:
            raise RemoteMediaTooLarge()
        self._into.write(chunk)


def _ignore(chunk: bytes) -> None:
    """Let what is no media pass."""


def _is_unknown_operation(error: RemoteError) -> bool:
    """Whether a server does not know how servers ask for media."""
    if error.remote_errcode == "M_UNRECOGNIZED":
        return True
    # Proxies that do not know the path say this without a word of Matrix.
    return error.remote_status in (404, 405) and error.remote_errcode == "M_UNKNOWN"


def _refusal(error: RemoteError) -> MatrixError:
    if error.remote_errcode == "M_NOT_YET_UPLOADED":
        return NotYetUploaded()
    if error.remote_errcode == "M_TOO_LARGE":
        return RemoteMediaTooLarge()
    if error.remote_errcode in ("M_UNRECOGNIZED", "M_INVALID_PARAM"):
        return NotFound("There is no such media")
    return for_client(error)


def _described_by(head: AnswerHead) -> FetchedMedia:
    return _described(head.headers.get("content-type"), head.headers.get("content-disposition"))


def _described(content_type: str | None, disposition: str | None) -> FetchedMedia:
    header = Message()
    header["Content-Disposition"] = (
        (disposition or "attachment").replace("\r", "").replace("\n", "")
    )
    try:
        name = parse_file_name(header.get_filename())
    except InvalidParam:
        name = None
    return FetchedMedia(parse_content_type(content_type), name)
