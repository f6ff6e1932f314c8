"""The content repository over real stores, on SQLite in memory and a directory of the test.

The user's ID is their access token.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image

from homeserver.api.media.media import MediaApi
from homeserver.domain.content_uris import ContentUri
from homeserver.domain.errors import UnknownToken
from homeserver.domain.identifiers import DeviceId, ServerName, UserId
from homeserver.domain.requester import Requester
from homeserver.http.rate_limits import RateLimiter
from homeserver.ports.media.media import Content
from homeserver.services.media.media import MediaRepository, MediaSettings, Upload
from homeserver.services.media.media_access import MediaAccess
from homeserver.services.media.thumbnails import Thumbnails, ThumbnailSettings
from storage.engines.schema import migrate
from storage.engines.sqlite import SqliteDatabase
from storage.media.local_media import LocalMedia
from storage.media.media import SqlMediaIndex
from storage.media.thumbnails import SqlThumbnailIndex
from tests.clock import FakeClock
from tests.http_requests import TestClient
from tests.http_wire import HttpWire, run_here
from tests.storage.conftest import DirectTransactions

SERVER = ServerName("hs")
ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
GUEST = UserId("@guest:hs")
SUSPENDED = UserId("@suspended:hs")


class TokensAreUserIds:
    """See :class:`homeserver.http.authentication.Authenticator`."""

    def remembered(self, token: str) -> Requester | None:
        return None

    async def authenticate(self, token: str) -> Requester:
        if not token.startswith("@"):
            raise UnknownToken()
        return requester(UserId(token))

    def note_use(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        pass


class MediaServer:
    """Uploads, downloads and thumbnails. Used inside ``with``."""

    def __init__(
        self,
        directory: Path,
        settings: MediaSettings | None = None,
        thumbnail_settings: ThumbnailSettings | None = None,
        run_in_thread: Callable[..., Awaitable[Any]] = run_here,
    ) -> None:
        self.clock = FakeClock()
        self._database = SqliteDatabase(Path(":memory:"), None)  # type: ignore[arg-type]
        migrate(self._database)
        transactions = DirectTransactions(self._database)
        self.settings = settings or MediaSettings(SERVER)
        self.index = SqlMediaIndex(transactions)
        self.thumbnail_index = SqlThumbnailIndex(transactions)
        self.provider = LocalMedia(directory, run_here)
        self.access = MediaAccess(self.index, self.clock)
        self.repository = MediaRepository(
            self.index, self.provider, self.access, self.clock, self.settings
        )
        self.thumbnails = Thumbnails(
            self.thumbnail_index,
            self.provider,
            run_in_thread,
            self.clock,
            thumbnail_settings or ThumbnailSettings(),
        )
        self.client = TestClient(
            [MediaApi(self.repository, self.thumbnails)],
            TokensAreUserIds(),
            RateLimiter({}, self.clock.monotonic),
            self.clock,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._database.close()

    def connect(self) -> HttpWire:
        """A connection to the server."""
        return HttpWire(
            self.client.dispatcher,
            max_upload_bytes=self.settings.max_upload_bytes,
            spool_directory=self.provider.incoming,
        )

    async def upload(
        self, body: bytes, content_type: str = "text/plain", name: str | None = None
    ) -> ContentUri:
        """Upload something as Alice."""
        return await self.repository.upload(requester(ALICE), upload(body, content_type, name))

    async def store(self, body: bytes) -> Content:
        """Keep some content that is nobody's upload."""
        return await self.provider.store(io.BytesIO(body))


def requester(user_id: UserId) -> Requester:
    """Who makes a request; GUEST and SUSPENDED are what their names say."""
    return Requester(
        user_id,
        DeviceId("PHONE"),
        1,
        is_guest=user_id == GUEST,
        is_suspended=user_id == SUSPENDED,
    )


def upload(body: bytes, content_type: str = "text/plain", name: str | None = None) -> Upload:
    """What a user sends."""
    return Upload(io.BytesIO(body), len(body), content_type, name)


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def decoded(data: bytes) -> Image.Image:
    """The image in a file."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def stored_files(directory: Path, kind: str) -> list[Path]:
    """The files that the provider keeps of a kind: ``content`` or ``thumbnails``."""
    return [path for path in (directory / kind).rglob("*") if path.is_file()]
