"""Pictures, and the thumbnails made of them."""

from __future__ import annotations

from homeserver.domain.thumbnail_sizes import Picture, Rendition
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.media.thumbnails import KnownPicture, Thumbnail

_FIND = """SELECT p.content_type, p.width, p.height, p.animated,
        t.width, t.height, t.method, t.animated, t.content_type
    FROM pictures p LEFT JOIN thumbnails t ON t.sha256 = p.sha256
    WHERE p.sha256 = ?"""


class SqlThumbnailIndex:
    """See :class:`homeserver.ports.media.thumbnails.ThumbnailIndex`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def find(self, sha256: bytes) -> KnownPicture | None:
        return await self._transactions.read(_find, sha256)

    async def add(self, sha256: bytes, picture: Picture, thumbnail: Thumbnail | None) -> None:
        await self._transactions.write(_add, sha256, picture, thumbnail)


def _find(tx: Transaction, sha256: bytes) -> KnownPicture | None:
    rows = tx.all(_FIND, (sha256,))
    if not rows:
        return None
    content_type, width, height, animated = rows[0][:4]
    thumbnails = tuple(
        Thumbnail(Rendition(row[4], row[5], row[6], bool(row[7])), row[8])
        for row in rows
        if row[4] is not None
    )
    return KnownPicture(Picture(content_type, width, height, bool(animated)), thumbnails)


def _add(tx: Transaction, sha256: bytes, picture: Picture, thumbnail: Thumbnail | None) -> None:
    tx.insert(
        "INSERT INTO pictures (sha256, content_type, width, height, animated) VALUES",
        [(sha256, picture.content_type, picture.width, picture.height, picture.is_animated)],
        "ON CONFLICT DO NOTHING",
    )
    if thumbnail is None:
        return
    made = thumbnail.rendition
    tx.insert(
        """INSERT INTO thumbnails
            (sha256, width, height, method, animated, content_type) VALUES""",
        [
            (
                sha256,
                made.width,
                made.height,
                made.method,
                made.animated,
                thumbnail.content_type,
            )
        ],
        """ON CONFLICT (sha256, width, height, method, animated) DO UPDATE
            SET content_type = excluded.content_type""",
    )
