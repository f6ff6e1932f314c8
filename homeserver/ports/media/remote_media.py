"""What the floors above ask of storage about media of other servers that was fetched."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.content_uris import ContentUri
from homeserver.ports.media.media import Content


@attrs.frozen(slots=True)
class RemoteMedia:
    """Media of another server, as it was fetched. ``last_access_ts`` is up to an hour behind."""

    uri: ContentUri
    content: Content
    content_type: str
    upload_name: str | None
    fetched_ts: int
    last_access_ts: int
    is_quarantined: bool = False


class RemoteMediaIndex(Protocol):
    """Which media of other servers is here."""

    async def find(self, uri: ContentUri) -> RemoteMedia | None:
        """What was fetched from a URI."""
        ...

    async def add(self, media: RemoteMedia) -> None:
        """Remember media that was fetched, in the place of what was fetched before; what is
        quarantined stays so."""
        ...

    async def accessed(self, uri: ContentUri, ts: int) -> None:
        """Note when media was last asked for."""
        ...

    async def quarantine(self, uri: ContentUri) -> bool:
        """Keep media from being served; False when it was not fetched."""
        ...
