"""Which media there are."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.content_uris import MediaId
from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.media.media import Content, Media, PendingMedia

_INSERT = """INSERT INTO media (media_id, uploader, sha256, size, content_type, upload_name,
    created_ts, last_access_ts, expires_ts, quarantined) VALUES"""
_FIND = """SELECT uploader, sha256, size, content_type, upload_name, created_ts, last_access_ts,
    expires_ts, quarantined FROM media WHERE media_id = ?"""


class SqlMediaIndex:
    """See :class:`homeserver.ports.media.media.MediaIndex`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def find(self, media_id: MediaId) -> Media | PendingMedia | None:
        return await self._transactions.read(_find, media_id)

    async def add(self, media: Media) -> None:
        await self._transactions.write(_add, media)

    async def create(self, pending: PendingMedia, at_most: int) -> bool:
        return await self._transactions.write(_create, pending, at_most)

    async def complete(self, media: Media) -> bool:
        return await self._transactions.write(_complete, media)

    async def uploaded_bytes(self, uploader: UserId) -> int:
        return await self._transactions.read(_uploaded_bytes, uploader)

    async def quarantine(self, media_id: MediaId) -> bool:
        return await self._transactions.write(_quarantine, media_id)

    async def accessed(self, media_ids: Sequence[MediaId], ts: int) -> None:
        await self._transactions.write(_accessed, list(media_ids), ts)


def _find(tx: Transaction, media_id: MediaId) -> Media | PendingMedia | None:
    row = tx.one(_FIND, (media_id,))
    if row is None:
        return None
    uploader, sha256, size, content_type, name, created_ts, last_access_ts, expires_ts, hidden = row
    if sha256 is None:
        return PendingMedia(media_id, UserId(uploader), created_ts, expires_ts)
    return Media(
        media_id,
        UserId(uploader),
        Content(sha256, size),
        content_type,
        name,
        created_ts,
        last_access_ts,
        bool(hidden),
    )


def _add(tx: Transaction, media: Media) -> None:
    row = (
        media.media_id,
        media.uploader,
        media.content.sha256,
        media.content.size,
        media.content_type,
        media.upload_name,
        media.created_ts,
        media.last_access_ts,
        None,
        media.is_quarantined,
    )
    tx.insert(_INSERT, [row])


def _create(tx: Transaction, pending: PendingMedia, at_most: int) -> bool:
    tx.execute(
        "DELETE FROM media WHERE uploader = ? AND sha256 IS NULL AND expires_ts <= ?",
        (pending.uploader, pending.created_ts),
    )
    count = tx.one(
        "SELECT count(*) FROM media WHERE uploader = ? AND sha256 IS NULL", (pending.uploader,)
    )
    assert count is not None
    if count[0] >= at_most:
        return False
    created_ts = pending.created_ts
    row = (
        pending.media_id,
        pending.uploader,
        None,
        0,
        "",
        None,
        created_ts,
        created_ts,
        pending.expires_ts,
        False,
    )
    tx.insert(_INSERT, [row])
    return True


def _complete(tx: Transaction, media: Media) -> bool:
    touched = tx.execute(
        """UPDATE media SET sha256 = ?, size = ?, content_type = ?, upload_name = ?,
            created_ts = ?, last_access_ts = ?, expires_ts = NULL
        WHERE media_id = ? AND sha256 IS NULL""",
        (
            media.content.sha256,
            media.content.size,
            media.content_type,
            media.upload_name,
            media.created_ts,
            media.last_access_ts,
            media.media_id,
        ),
    )
    return touched > 0


def _uploaded_bytes(tx: Transaction, uploader: UserId) -> int:
    row = tx.one("SELECT coalesce(sum(size), 0) FROM media WHERE uploader = ?", (uploader,))
    assert row is not None
    return int(row[0])


def _quarantine(tx: Transaction, media_id: MediaId) -> bool:
    touched = tx.execute(
        "UPDATE media SET quarantined = ? WHERE media_id = ? AND sha256 IS NOT NULL",
        (True, media_id),
    )
    return touched > 0


def _accessed(tx: Transaction, media_ids: list[MediaId], ts: int) -> None:
    tx.execute(
        "UPDATE media SET last_access_ts = ? WHERE media_id = ANY(?) AND last_access_ts < ?",
        (ts, media_ids, ts),
    )
