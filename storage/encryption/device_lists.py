"""Changes of device lists, and the rooms through which they are seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from homeserver.domain.identifiers import UserId
from homeserver.log.shards import shard_of_user
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.encryption.device_lists import RoomMoves

# Whether the users of two rows are in a room together.
_SHARE_ROOM = """EXISTS (
    SELECT 1 FROM memberships theirs
    JOIN memberships mine ON mine.room_nid = theirs.room_nid
        AND mine.user_id = ? AND mine.membership = 'join'
    WHERE theirs.user_id = {user_id} AND theirs.membership = 'join')"""


class SqlDeviceListStore:
    """See :class:`homeserver.ports.encryption.device_lists.DeviceListStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def joined_rooms(self, user_id: UserId) -> list[int]:
        return await self._transactions.read(_joined_rooms, user_id)

    def note_change(self, tx: Transaction, user_id: UserId, shard: int, position: int) -> None:
        tx.execute(
            """INSERT INTO device_list_changes (user_id, shard, position) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO UPDATE SET
                shard = excluded.shard, position = excluded.position""",
            (user_id, shard, position),
        )

    async def changed_since(self, user_id: UserId, positions: Sequence[int]) -> list[UserId]:
        return await self._transactions.read(_changed_since, user_id, positions)

    async def moves_since(self, room_nids: Sequence[int], positions: Sequence[int]) -> RoomMoves:
        return await self._transactions.read(_moves_since, list(room_nids), positions)

    async def sharing(self, user_id: UserId, others: Collection[UserId]) -> set[UserId]:
        return await self._transactions.read(_sharing, user_id, list(others))


def _window(positions: Sequence[int]) -> tuple[str, list[int]]:
    """Rows of (shard, position) to join with, and their parameters."""
    marks = ", ".join(["(?, ?)"] * len(positions))
    return f"(VALUES {marks})", [value for place in enumerate(positions) for value in place]


def _joined_rooms(tx: Transaction, user_id: UserId) -> list[int]:
    rows = tx.all(
        "SELECT room_nid FROM memberships WHERE user_id = ? AND membership = 'join'", (user_id,)
    )
    return [row[0] for row in rows]


def _changed_since(tx: Transaction, user_id: UserId, positions: Sequence[int]) -> list[UserId]:
    window, places = _window(positions)
    rows = tx.all(
        f"""SELECT c.user_id FROM device_list_changes c
        JOIN {window} AS since ON c.shard = since.column1 AND c.position > since.column2
        WHERE c.user_id = ? OR {_SHARE_ROOM.format(user_id="c.user_id")}
        UNION
        SELECT user_id FROM user_signatures WHERE signer = ? AND position > ?""",
        (*places, *[user_id] * 3, positions[shard_of_user(user_id, len(positions))]),
    )
    return [UserId(row[0]) for row in rows]


def _moves_since(tx: Transaction, room_nids: list[int], positions: Sequence[int]) -> RoomMoves:
    window, places = _window(positions)
    rows = tx.all(
        f"""SELECT DISTINCT m.user_id, m.membership FROM memberships m
        JOIN rooms r ON r.room_nid = m.room_nid
        JOIN {window} AS since ON r.shard = since.column1 AND m.position > since.column2
        WHERE m.room_nid = ANY(?) AND m.joined_position > 0
            AND (m.membership <> 'join' OR m.joined_position > since.column2)""",
        (*places, room_nids),
    )
    joined = [UserId(user_id) for user_id, membership in rows if membership == "join"]
    return RoomMoves(joined, [UserId(user_id) for user_id, now in rows if now != "join"])


def _sharing(tx: Transaction, user_id: UserId, others: list[UserId]) -> set[UserId]:
    rows = tx.all(
        """SELECT DISTINCT theirs.user_id FROM memberships theirs
        JOIN memberships mine ON mine.room_nid = theirs.room_nid
            AND mine.user_id = ? AND mine.membership = 'join'
        WHERE theirs.user_id = ANY(?) AND theirs.membership = 'join'""",
        (user_id, others),
    )
    return {UserId(row[0]) for row in rows}
