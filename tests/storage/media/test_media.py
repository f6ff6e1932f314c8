"""The index of media, in both databases."""

from __future__ import annotations

import attrs
import pytest

from homeserver.domain.content_uris import MediaId
from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transactions, UniqueViolation
from homeserver.ports.media.media import Content, Media, PendingMedia
from storage.media.media import SqlMediaIndex

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
PICTURE = Media(
    MediaId("picture"),
    ALICE,
    Content(b"\x00\xff" * 16, 3_000_000_000),
    "image/png",
    "总览.png",
    created_ts=1000,
    last_access_ts=1000,
)


def pending(media_id: str, uploader: UserId = ALICE, created_ts: int = 1000) -> PendingMedia:
    return PendingMedia(MediaId(media_id), uploader, created_ts, created_ts + 100)


@pytest.fixture
def index(transactions: Transactions) -> SqlMediaIndex:
    return SqlMediaIndex(transactions)


async def test_an_upload_is_found_as_it_was_added(index: SqlMediaIndex) -> None:
    await index.add(PICTURE)
    assert await index.find(PICTURE.media_id) == PICTURE
    assert await index.find(MediaId("other")) is None


async def test_an_id_is_not_used_twice(index: SqlMediaIndex) -> None:
    await index.add(PICTURE)
    with pytest.raises(UniqueViolation):
        await index.add(attrs.evolve(PICTURE, uploader=BOB))
    assert await index.find(PICTURE.media_id) == PICTURE


async def test_pending_media_becomes_an_upload_once(index: SqlMediaIndex) -> None:
    created = pending("picture")
    assert await index.create(created, 1)
    assert await index.find(created.media_id) == created

    assert await index.complete(PICTURE)

    assert await index.find(created.media_id) == PICTURE
    assert not await index.complete(attrs.evolve(PICTURE, content_type="text/html"))
    assert await index.find(created.media_id) == PICTURE


async def test_what_was_never_created_cannot_be_completed(index: SqlMediaIndex) -> None:
    assert not await index.complete(PICTURE)
    assert await index.find(PICTURE.media_id) is None


async def test_a_user_has_so_many_pending_uploads(index: SqlMediaIndex) -> None:
    assert await index.create(pending("a"), 2)
    assert await index.create(pending("b"), 2)
    assert not await index.create(pending("c"), 2)
    assert await index.create(pending("d", BOB), 2)
    assert await index.find(MediaId("c")) is None


async def test_completed_and_expired_uploads_are_not_counted(index: SqlMediaIndex) -> None:
    await index.create(pending("picture"), 1)
    await index.complete(PICTURE)
    assert await index.create(pending("old"), 1)

    assert not await index.create(pending("new", created_ts=1099), 1)
    assert await index.create(pending("new", created_ts=1100), 1)

    assert await index.find(MediaId("old")) is None
    assert await index.find(PICTURE.media_id) == PICTURE


async def test_the_size_of_all_uploads_of_a_user_is_known(index: SqlMediaIndex) -> None:
    assert await index.uploaded_bytes(ALICE) == 0
    await index.add(PICTURE)
    await index.add(attrs.evolve(PICTURE, media_id=MediaId("again")))
    await index.add(attrs.evolve(PICTURE, media_id=MediaId("bobs"), uploader=BOB))
    assert await index.uploaded_bytes(ALICE) == 6_000_000_000


async def test_an_upload_is_quarantined(index: SqlMediaIndex) -> None:
    await index.add(PICTURE)
    await index.create(pending("later"), 1)

    assert await index.quarantine(PICTURE.media_id)

    assert await index.find(PICTURE.media_id) == attrs.evolve(PICTURE, is_quarantined=True)
    assert not await index.quarantine(MediaId("later"))
    assert not await index.quarantine(MediaId("other"))


async def test_accesses_are_noted_and_never_set_back(index: SqlMediaIndex) -> None:
    other = attrs.evolve(PICTURE, media_id=MediaId("other"))
    await index.add(PICTURE)
    await index.add(other)

    await index.accessed([PICTURE.media_id, MediaId("gone")], 5000)
    await index.accessed([PICTURE.media_id], 4000)

    assert await index.find(PICTURE.media_id) == attrs.evolve(PICTURE, last_access_ts=5000)
    assert await index.find(other.media_id) == other
