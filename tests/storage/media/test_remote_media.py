"""Which media of other servers is here."""

from __future__ import annotations

import attrs

from homeserver.domain.content_uris import make_content_uri
from homeserver.ports.database import Transactions
from homeserver.ports.media.media import Content
from homeserver.ports.media.remote_media import RemoteMedia
from storage.media.remote_media import SqlRemoteMediaIndex

URI = make_content_uri("other.example", "abc")
MEDIA = RemoteMedia(URI, Content(b"\x01" * 32, 5), "text/plain", "grün.txt", 10, 10)


async def test_media_is_found_under_its_server_and_its_id(transactions: Transactions) -> None:
    index = SqlRemoteMediaIndex(transactions)
    await index.add(MEDIA)
    assert await index.find(URI) == MEDIA
    assert await index.find(make_content_uri("another.example", "abc")) is None
    assert await index.find(make_content_uri("other.example", "abcd")) is None


async def test_what_is_fetched_again_takes_the_place_of_what_was_and_stays_quarantined(
    transactions: Transactions,
) -> None:
    index = SqlRemoteMediaIndex(transactions)
    await index.add(attrs.evolve(MEDIA, upload_name=None))
    assert await index.quarantine(URI)
    again = attrs.evolve(MEDIA, content=Content(b"\x02" * 32, 7), fetched_ts=20)
    await index.add(again)
    assert await index.find(URI) == attrs.evolve(again, is_quarantined=True)


async def test_the_last_access_is_noted(transactions: Transactions) -> None:
    index = SqlRemoteMediaIndex(transactions)
    await index.add(MEDIA)
    await index.accessed(URI, 99)
    assert await index.find(URI) == attrs.evolve(MEDIA, last_access_ts=99)


async def test_what_was_not_fetched_cannot_be_quarantined(transactions: Transactions) -> None:
    assert not await SqlRemoteMediaIndex(transactions).quarantine(URI)
