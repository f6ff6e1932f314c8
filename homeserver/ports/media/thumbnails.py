"""What the floors above ask of storage about pictures and the thumbnails made of them."""

from __future__ import annotations

from typing import Protocol

import attrs

from homeserver.domain.thumbnail_sizes import Picture, Rendition


@attrs.frozen(slots=True)
class Thumbnail:
    """A thumbnail that was made."""

    rendition: Rendition
    content_type: str


@attrs.frozen(slots=True)
class KnownPicture:
    """A picture that was looked at, and the thumbnails made of it."""

    picture: Picture
    thumbnails: tuple[Thumbnail, ...] = ()

    def thumbnail(self, rendition: Rendition) -> Thumbnail | None:
        """The thumbnail that is this rendition, if it was made."""
        return next((t for t in self.thumbnails if t.rendition == rendition), None)


class ThumbnailIndex(Protocol):
    """Pictures and their thumbnails, by the SHA-256 of the picture's file."""

    async def find(self, sha256: bytes) -> KnownPicture | None:
        """What is known of a picture."""
        ...

    async def add(self, sha256: bytes, picture: Picture, thumbnail: Thumbnail | None) -> None:
        """Remember a picture, and a thumbnail of it in place of an earlier one like it."""
        ...
