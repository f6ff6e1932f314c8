"""What the content repository asks of the federation: media of other servers."""

from __future__ import annotations

from typing import BinaryIO, Protocol

import attrs

from homeserver.domain.content_uris import ContentUri
from homeserver.domain.errors import TooLarge


@attrs.frozen(slots=True)
class FetchedMedia:
    """What another server says of media beside its bytes."""

    content_type: str
    upload_name: str | None


class RemoteMediaTooLarge(TooLarge):
    """Media of another server is larger than this one serves."""

    status = 502
    default_message = "The content is too large to serve"


class RemoteMediaFetcher(Protocol):
    """Fetches media."""

    async def fetch(
        self, uri: ContentUri, into: BinaryIO, *, max_bytes: int, wait_ms: int
    ) -> FetchedMedia:
        """Write the bytes of another server's media ``into`` a file, which is empty.

        ``wait_ms`` is for how long that server should wait for a pending upload. Raises NotFound,
        Forbidden, NotYetUploaded, RemoteMediaTooLarge, and UnableToRetrieve when the server does
        not answer.
        """
        ...
