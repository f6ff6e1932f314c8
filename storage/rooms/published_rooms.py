"""The directory of published rooms.

A row of ``published_rooms`` is what a listing needs of a room. It is written in the transaction
that changes the room, so a listing reads this one table, whatever the number and size of rooms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from homeserver.domain.identifiers import RoomId
from homeserver.domain.room_summary import SUMMARY_TYPES, RoomSummary
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.events import EventAppend
from homeserver.ports.rooms.published_rooms import DirectoryPage, DirectoryQuery, Place
from storage.rooms.room_summaries import select_summaries

_DESCRIBING = frozenset(SUMMARY_TYPES)
_UPSERT = """ON CONFLICT (room_nid) DO UPDATE SET joined_members = excluded.joined_members,
    room_type = excluded.room_type, search_text = excluded.search_text,
    summary = excluded.summary"""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RoomSummary).decode


class SqlPublishedRoomStore:
    """See :class:`homeserver.ports.rooms.published_rooms.PublishedRoomStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def page(self, query: DirectoryQuery) -> DirectoryPage:
        return await self._transactions.read(_page, query)

    async def set_published(self, room_nid: int, published: bool) -> None:
        await self._transactions.write(_set_published, room_nid, published)


def follow_published_rooms(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    """Describe anew those published rooms that a batch of events changed, after it was written."""
    changed = {append.stored.room_nid for append in appends if _describes(append)}
    if changed:
        _describe(tx, changed)


def _describes(append: EventAppend) -> bool:
    event = append.stored.event
    if append.membership is not None or append.redaction is not None or append.resolved:
        return True
    return event.state_key == "" and event.type in _DESCRIBING


def _describe(tx: Transaction, room_nids: Iterable[int]) -> None:
    rooms = {
        nid: (RoomId(room_id), version)
        for nid, room_id, version in tx.all(
            "SELECT room_nid, room_id, version FROM rooms WHERE room_nid = ANY(?) AND published",
            (list(room_nids),),
        )
    }
    if rooms:
        tx.insert(
            "INSERT INTO published_rooms (room_nid, joined_members, room_type, search_text,"
            " summary) VALUES",
            [_row(nid, summary) for nid, summary in select_summaries(tx, rooms).items()],
            _UPSERT,
        )


def _row(room_nid: int, summary: RoomSummary) -> tuple[object, ...]:
    texts = (summary.name, summary.topic, summary.canonical_alias)
    listed = msgspec.structs.replace(
        summary, allowed_room_ids=(), encryption=None, room_version=None
    )
    return (
        room_nid,
        summary.num_joined_members,
        _storable(summary.room_type or ""),
        _storable("\n".join(text for text in texts if text)).casefold(),
        _encode(listed),
    )


def _set_published(tx: Transaction, room_nid: int, published: bool) -> None:
    tx.execute("UPDATE rooms SET published = ? WHERE room_nid = ?", (published, room_nid))
    if published:
        _describe(tx, [room_nid])
    else:
        tx.execute("DELETE FROM published_rooms WHERE room_nid = ?", (room_nid,))


def _page(tx: Transaction, query: DirectoryQuery) -> DirectoryPage:
    where, parameters = ["joined_members > 0"], list[Any]()
    if query.search_term:
        where.append(r"search_text LIKE ? ESCAPE '\'")
        parameters.append(f"%{_literal(_storable(query.search_term).casefold())}%")
    if query.room_types is not None:
        where.append("room_type = ANY(?)")
        parameters.append(list(map(_storable, query.room_types)))
    total = tx.one(f"SELECT count(*) FROM published_rooms WHERE {' AND '.join(where)}", parameters)
    if query.after is not None:
        comparison = ">" if query.backwards else "<"
        where.append(f"(joined_members, room_nid) {comparison} (?, ?)")
        parameters += query.after
    direction = "ASC" if query.backwards else "DESC"
    rows = tx.all(
        f"SELECT joined_members, room_nid, summary FROM published_rooms"
        f" WHERE {' AND '.join(where)}"
        f" ORDER BY joined_members {direction}, room_nid {direction} LIMIT ?",
        (*parameters, query.limit + 1),
    )
    rooms: list[tuple[Place, RoomSummary]] = [
        ((members, nid), _decode(summary)) for members, nid, summary in rows[: query.limit]
    ]
    if query.backwards:
        rooms.reverse()
    return DirectoryPage(rooms, total[0] if total is not None else 0, len(rows) > query.limit)


def _storable(text: str) -> str:
    """A text without U+0000, which PostgreSQL does not hold."""
    return text.replace("\0", "")


def _literal(text: str) -> str:
    """A text as LIKE finds it literally."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return text
