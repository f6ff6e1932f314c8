"""The index of pictures and thumbnails, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.thumbnail_sizes import Picture, Rendition
from homeserver.ports.database import Transactions
from homeserver.ports.media.thumbnails import KnownPicture, Thumbnail
from storage.media.thumbnails import SqlThumbnailIndex

SHA256 = b"\xfe" * 32
PICTURE = Picture("image/gif", 4000, 3000, True)
STILL = Thumbnail(Rendition(320, 240, "scale", False), "image/jpeg")
MOVING = Thumbnail(Rendition(320, 240, "scale", True), "image/webp")


@pytest.fixture
def index(transactions: Transactions) -> SqlThumbnailIndex:
    return SqlThumbnailIndex(transactions)


async def test_a_picture_is_known_once_it_was_added(index: SqlThumbnailIndex) -> None:
    assert await index.find(SHA256) is None
    await index.add(SHA256, PICTURE, None)
    assert await index.find(SHA256) == KnownPicture(PICTURE)
    assert await index.find(b"\x01" * 32) is None


async def test_thumbnails_of_one_picture_gather(index: SqlThumbnailIndex) -> None:
    await index.add(SHA256, PICTURE, STILL)
    await index.add(SHA256, PICTURE, MOVING)

    known = await index.find(SHA256)

    assert known is not None
    assert set(known.thumbnails) == {STILL, MOVING}
    assert known.thumbnail(STILL.rendition) == STILL
    assert known.thumbnail(MOVING.rendition) == MOVING
    assert known.thumbnail(Rendition(320, 240, "crop", False)) is None


async def test_a_thumbnail_made_again_takes_the_place_of_the_first(
    index: SqlThumbnailIndex,
) -> None:
    await index.add(SHA256, PICTURE, STILL)
    again = Thumbnail(STILL.rendition, "image/webp")
    await index.add(SHA256, PICTURE, again)
    known = await index.find(SHA256)
    assert known is not None
    assert known.thumbnails == (again,)
