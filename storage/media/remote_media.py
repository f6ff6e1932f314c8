"""Which media of other servers is here."""

from __future__ import annotations

from homeserver.domain.content_uris import ContentUri
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.media.media import Content
from homeserver.ports.media.remote_media import RemoteMedia

_FIND = """SELECT sha256, size, content_type, upload_name, fetched_ts, last_access_ts, quarantined
    FROM remote_media WHERE server_name = ? AND media_id = ?"""
_INSERT = """INSERT INTO remote_media (server_name, media_id, sha256, size, content_type,
    upload_name, fetched_ts, last_access_ts, quarantined) VALUES"""
_REPLACE = """ON CONFLICT (server_name, media_id) DO UPDATE SET sha256 = excluded.sha256,
    size = excluded.size, content_type = excluded.content_type,
    upload_name = excluded.upload_name, fetched_ts = excluded.fetched_ts,
    last_access_ts = excluded.last_access_ts"""


class SqlRemoteMediaIndex:
    """See :class:`homeserver.ports.media.remote_media.RemoteMediaIndex`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def find(self, uri: ContentUri) -> RemoteMedia | None:
        return await self._transactions.read(_find, uri)

    async def add(self, media: RemoteMedia) -> None:
        await self._transactions.write(_add, media)

    async def accessed(self, uri: ContentUri, ts: int) -> None:
        await self._transactions.write(_accessed, uri, ts)

    async def quarantine(self, uri: ContentUri) -> bool:
        return await self._transactions.write(_quarantine, uri)


def _find(tx: Transaction, uri: ContentUri) -> RemoteMedia | None:
    row = tx.one(_FIND, (uri.server_name, uri.media_id))
    if row is None:
        return None
    sha256, size, content_type, name, fetched_ts, last_access_ts, hidden = row
    content = Content(bytes(sha256), size)
    return RemoteMedia(uri, content, content_type, name, fetched_ts, last_access_ts, bool(hidden))


def _add(tx: Transaction, media: RemoteMedia) -> None:
    row = (
        media.uri.server_name,
        media.uri.media_id,
        media.content.sha256,
        media.content.size,
        media.content_type,
        media.upload_name,
        media.fetched_ts,
        media.last_access_ts,
        media.is_quarantined,
    )
    tx.insert(_INSERT, [row], _REPLACE)


def _accessed(tx: Transaction, uri: ContentUri, ts: int) -> None:
    tx.execute(
        "UPDATE remote_media SET last_access_ts = ? WHERE server_name = ? AND media_id = ?",
        (ts, uri.server_name, uri.media_id),
    )


def _quarantine(tx: Transaction, uri: ContentUri) -> bool:
    touched = tx.execute(
        "UPDATE remote_media SET quarantined = ? WHERE server_name = ? AND media_id = ?",
        (True, uri.server_name, uri.media_id),
    )
    return touched > 0
