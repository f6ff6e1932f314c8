"""Rooms that come from elsewhere: a state that becomes current as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.rooms.events import FOREVER, StoredEvent
from homeserver.ports.rooms.rooms import RoomRow
from homeserver.ports.rooms.states import RoomImport
from storage.rooms.room_log import MEMBERSHIP, MEMBERSHIP_CONFLICT, replace_events, storable_text

_ROOM = "INSERT INTO rooms (room_nid, room_id, version, shard, published, created_ts) VALUES"
_INTERVAL = (
    "INSERT INTO state_intervals (room_nid, type, state_key, event_nid, from_position, to_position)"
    " VALUES"
)


class SqlRoomImportStore:
    """See :class:`homeserver.ports.rooms.states.RoomImportStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def store_outside(self, events: Sequence[StoredEvent]) -> None:
        await self._transactions.write(replace_events, events)

    def hearing_of(self, room: RoomRow, now_ms: int) -> Callable[[Transaction], None]:
        return partial(insert_room, room=room, now_ms=now_ms)

    async def discard(self, room_nid: int, server_name: ServerName) -> None:
        await self._transactions.write(_discard, room_nid, server_name)

    def importing(self, arrival: RoomImport) -> Callable[[Transaction], None]:
        return partial(_import_room, arrival=arrival)


def _import_room(tx: Transaction, arrival: RoomImport) -> None:
    # The history of the room's state goes on: what held until now ends here. The room has no
    # forward extremities then but those that an event appended after it brings.
    room_nid, position = arrival.room_nid, arrival.position
    room = RoomRow(room_nid, arrival.room_id, arrival.version, arrival.shard, published=False)
    insert_room(tx, room, arrival.created_ts)
    # Whoever told of the room first may have been wrong about this.
    tx.execute("UPDATE rooms SET version = ? WHERE room_nid = ?", (arrival.version, room_nid))
    tx.execute(
        "UPDATE state_intervals SET to_position = ? WHERE room_nid = ? AND to_position = ?",
        (position, room_nid, FOREVER),
    )
    tx.insert(
        _INTERVAL,
        [(room_nid, *key, nid, position, FOREVER) for key, nid in arrival.state.items()],
    )
    tx.execute("DELETE FROM forward_extremities WHERE room_nid = ?", (room_nid,))
    if arrival.is_complete:
        tx.execute(
            "DELETE FROM memberships WHERE room_nid = ? AND membership = 'join'"
            " AND NOT user_id = ANY(?)",
            (room_nid, [row.user_id for row, _ in arrival.members]),
        )
    tx.insert(MEMBERSHIP, _memberships(arrival), MEMBERSHIP_CONFLICT)
    tx.insert(
        "INSERT INTO resolved_states (room_nid, position) VALUES",
        [(room_nid, position)],
        "ON CONFLICT (room_nid) DO UPDATE SET position = excluded.position",
    )


def insert_room(tx: Transaction, room: RoomRow, now_ms: int) -> None:
    """Note a room, unless it is known, for other stores to use within their work."""
    row = (room.room_nid, room.room_id, room.version, room.shard, room.published, now_ms)
    tx.insert(_ROOM, [row], "ON CONFLICT DO NOTHING")


def _discard(tx: Transaction, room_nid: int, server_name: ServerName) -> None:
    of_room = (room_nid,)
    if tx.one("SELECT 1 FROM events WHERE room_nid = ? AND position IS NOT NULL LIMIT 1", of_room):
        return
    tx.execute("DELETE FROM state_intervals WHERE room_nid = ?", of_room)
    tx.execute("DELETE FROM resolved_states WHERE room_nid = ?", of_room)
    users = tx.all("SELECT user_id FROM memberships WHERE room_nid = ?", of_room)
    others = [user for (user,) in users if server_name_of(UserId(user)) != server_name]
    tx.execute(
        "DELETE FROM memberships WHERE room_nid = ? AND user_id = ANY(?)", (room_nid, others)
    )
    tx.execute(
        "DELETE FROM events WHERE room_nid = ? AND event_nid NOT IN"
        " (SELECT event_nid FROM memberships WHERE room_nid = ?)",
        (room_nid, room_nid),
    )
    if len(others) == len(users):
        tx.execute("DELETE FROM rooms WHERE room_nid = ?", of_room)


def _memberships(arrival: RoomImport) -> Iterator[tuple[object, ...]]:
    for row, nid in arrival.members:
        joined = (arrival.position if row.membership == "join" else 0, 0, 0)
        yield (
            row.user_id,
            arrival.room_nid,
            row.membership,
            nid,
            arrival.position,
            row.sender,
            storable_text(row.display_name),
            storable_text(row.avatar_url),
            *joined,
            False,
        )
