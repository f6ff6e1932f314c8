"""Memberships in rooms that this server is not in."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from homeserver.domain.identifiers import ServerName, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.out_of_band import OutOfBandChange
from storage.rooms.room_imports import insert_room
from storage.rooms.room_log import MEMBERSHIP, MEMBERSHIP_CONFLICT, replace_events, storable_text


class SqlOutOfBandStore:
    """See :class:`homeserver.ports.rooms.out_of_band.OutOfBandStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def changing(self, change: OutOfBandChange, now_ms: int) -> Callable[[Transaction], None]:
        return partial(_change, change=change, now_ms=now_ms)

    async def servers(self, room_nid: int, user_id: UserId) -> list[ServerName]:
        return await self._transactions.read(_servers, room_nid, user_id)

    async def end(self, room_nid: int) -> None:
        await self._transactions.write(_end, room_nid)


def _change(tx: Transaction, change: OutOfBandChange, now_ms: int) -> None:
    room_nid, member = change.room.room_nid, change.membership
    insert_room(tx, change.room, now_ms)
    replace_events(tx, [change.stored])
    row = (
        member.user_id,
        room_nid,
        member.membership,
        change.stored.nid,
        change.position,
        member.sender,
        storable_text(member.display_name),
        storable_text(member.avatar_url),
        0,
        0,
        0,
        False,
    )
    tx.insert(MEMBERSHIP, [row], MEMBERSHIP_CONFLICT)
    tx.execute(
        "DELETE FROM out_of_band_memberships WHERE room_nid = ? AND user_id = ?",
        (room_nid, member.user_id),
    )
    if change.servers:
        # json.dumps writes ASCII, in which U+0000 is an escape that any database stores.
        told = (json.dumps(change.stripped_state), json.dumps(change.servers))
        tx.insert(
            "INSERT INTO out_of_band_memberships (room_nid, user_id, stripped_state, servers)"
            " VALUES",
            [(room_nid, member.user_id, *told)],
        )


def _servers(tx: Transaction, room_nid: int, user_id: UserId) -> list[ServerName]:
    row = tx.one(
        "SELECT servers FROM out_of_band_memberships WHERE room_nid = ? AND user_id = ?",
        (room_nid, user_id),
    )
    return list(map(ServerName, json.loads(row[0]))) if row is not None else []


def _end(tx: Transaction, room_nid: int) -> None:
    tx.execute("DELETE FROM out_of_band_memberships WHERE room_nid = ?", (room_nid,))
