"""Which thumbnail of a picture answers a request.

Client-server API, "Thumbnails". A request names the least size it wants; thumbnails are made in a
configured list of sizes, so that nobody can have a picture rendered in a thousand others. They are
never enlarged, and never smaller than was asked for where the picture is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import attrs

Method = Literal["crop", "scale"]


@attrs.frozen(slots=True)
class ThumbnailSize:
    """A size in which thumbnails are made, in pixels: cropped to it, or scaled to fit into it."""

    width: int
    height: int
    method: Method


DEFAULT_SIZES: Final = (
    ThumbnailSize(32, 32, "crop"),
    ThumbnailSize(96, 96, "crop"),
    ThumbnailSize(256, 256, "crop"),
    ThumbnailSize(512, 512, "crop"),
    ThumbnailSize(320, 240, "scale"),
    ThumbnailSize(512, 512, "scale"),
    ThumbnailSize(640, 480, "scale"),
    ThumbnailSize(800, 600, "scale"),
    ThumbnailSize(1600, 1200, "scale"),
)
"""What the specification recommends, and what clients ask for on dense screens."""

_SERVED_AS_THEY_ARE: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


@attrs.frozen(slots=True)
class Picture:
    """What the header of an image says: its size as it is looked at, its type and if it moves."""

    content_type: str
    width: int
    height: int
    is_animated: bool


@attrs.frozen(slots=True)
class ThumbnailRequest:
    """The least size that is wanted, and whether the thumbnail may move."""

    width: int
    height: int
    method: Method = "scale"
    animated: bool = False


@attrs.frozen(slots=True)
class Rendition:
    """A thumbnail to make: exactly this size, in pixels."""

    width: int
    height: int
    method: Method
    animated: bool

    @property
    def name(self) -> str:
        """Its name among the renditions of one picture."""
        return f"{self.width}x{self.height}-{self.method}{'-animated' if self.animated else ''}"


def choose_rendition(
    picture: Picture, request: ThumbnailRequest, sizes: Sequence[ThumbnailSize]
) -> Rendition | None:
    """The thumbnail that answers a request, or None when the picture itself does.

    That is so for a picture that is small already and for a request beyond the largest size. One
    that cannot be shown as it is (it moves and must not, or browsers do not know its type) is then
    rendered in its own size.
    """
    animated = request.animated and picture.is_animated
    chosen = _smallest_covering(request, sizes)
    dimensions = None if chosen is None else _dimensions(picture, request, chosen)
    if dimensions is not None:
        return Rendition(*dimensions, request.method, animated)
    if picture.content_type in _SERVED_AS_THEY_ARE and picture.is_animated == animated:
        return None
    return Rendition(picture.width, picture.height, "scale", animated)


def _smallest_covering(
    request: ThumbnailRequest, sizes: Sequence[ThumbnailSize]
) -> ThumbnailSize | None:
    """The size that is large enough; among several the one nearest in shape, if it is to be
    cropped, and then the smallest."""

    def cost(size: ThumbnailSize) -> tuple[float, int]:
        shape = abs(size.width * request.height / (size.height * request.width) - 1)
        return shape if size.method == "crop" else 0, size.width * size.height

    covering = [
        size
        for size in sizes
        if size.method == request.method
        and size.width >= request.width
        and size.height >= request.height
    ]
    return min(covering, key=cost, default=None)


def _dimensions(
    picture: Picture, request: ThumbnailRequest, size: ThumbnailSize
) -> tuple[int, int] | None:
    """Width and height of the picture's thumbnail, or None where that would not be smaller than
    the picture, or smaller than what was asked for."""
    if size.method == "scale":
        factor = min(size.width / picture.width, size.height / picture.height)
        if factor >= 1:
            return None
        return max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    if picture.width * size.height <= picture.height * size.width:
        width = min(size.width, picture.width)
        height = width * size.height // size.width
    else:
        height = min(size.height, picture.height)
        width = height * size.width // size.height
    if width < request.width or height < request.height:
        return None
    if (width, height) == (picture.width, picture.height):
        return None
    return width, height
