"""What the floors above ask of storage about media: an index of it, and the bytes themselves."""

from __future__ import annotations

from collections.abc import Sequence
from io import FileIO
from typing import BinaryIO, Protocol

import attrs

from homeserver.domain.content_uris import MediaId
from homeserver.domain.identifiers import UserId


@attrs.frozen(slots=True)
class Content:
    """Bytes that the provider keeps, named by their SHA-256; ``size`` in bytes."""

    sha256: bytes
    size: int


@attrs.frozen(slots=True)
class Media:
    """An upload to this server. ``last_access_ts`` is some minutes behind."""

    media_id: MediaId
    uploader: UserId
    content: Content
    content_type: str
    upload_name: str | None
    created_ts: int
    last_access_ts: int
    is_quarantined: bool = False


@attrs.frozen(slots=True)
class PendingMedia:
    """A media ID made for ``uploader``, who has until ``expires_ts`` to upload to it."""

    media_id: MediaId
    uploader: UserId
    created_ts: int
    expires_ts: int


@attrs.frozen(slots=True)
class StoredFile:
    """An open file, unbuffered and with a descriptor, for who asked for it to close."""

    file: FileIO
    size: int


class MediaIndex(Protocol):
    """Which media there are."""

    async def find(self, media_id: MediaId) -> Media | PendingMedia | None:
        """The media with an ID; pending media is found until it is replaced or cleared away."""
        ...

    async def add(self, media: Media) -> None:
        """Add an upload under an ID that is new."""
        ...

    async def create(self, pending: PendingMedia, at_most: int) -> bool:
        """Add pending media, unless its uploader has ``at_most`` already; whether it was added.

        What had expired by its ``created_ts`` is cleared away.
        """
        ...

    async def complete(self, media: Media) -> bool:
        """Turn pending media into an upload; False when it is not, or no longer, pending."""
        ...

    async def uploaded_bytes(self, uploader: UserId) -> int:
        """The size of all that a user has uploaded."""
        ...

    async def quarantine(self, media_id: MediaId) -> bool:
        """Keep an upload from being served; False when there is no such upload."""
        ...

    async def accessed(self, media_ids: Sequence[MediaId], ts: int) -> None:
        """Note when media were last asked for."""
        ...


class MediaProvider(Protocol):
    """Keeps the bytes of media, and of the thumbnails made from them."""

    async def store(self, source: BinaryIO) -> Content:
        """Keep all of ``source``, durably, once however often it comes. It may be any file open
        for reading; its position does not matter. Raises StorageFull."""
        ...

    async def open(self, content: Content) -> StoredFile | None:
        """The bytes; None when they are lost, in whole or in part."""
        ...

    async def store_thumbnail(self, content: Content, name: str, encoded: bytes) -> None:
        """Keep a thumbnail of some content under a name. Raises StorageFull."""
        ...

    async def open_thumbnail(self, content: Content, name: str) -> StoredFile | None:
        """A thumbnail; None when there is none under that name."""
        ...
