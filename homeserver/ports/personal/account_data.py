"""What the floors above ask of storage about account data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.database import Transaction


@attrs.frozen(slots=True)
class AccountDataRow:
    """Something that a user keeps on the server, globally or (with ``room_id``) for one room.

    ``content`` is a JSON object. ``position`` is the place in the log of the user's shard.
    """

    room_id: RoomId | None
    type: str
    content: bytes
    position: int


class AccountDataStore(Protocol):
    """Account data of the users of this server."""

    async def since(self, user_id: UserId, position: int) -> list[AccountDataRow]:
        """What is newer than a position (0: everything), global and per room, oldest first."""
        ...

    async def get(
        self, user_id: UserId, room_id: RoomId | None, type: str
    ) -> AccountDataRow | None:
        """One piece of account data."""
        ...

    async def of_users(self, user_ids: Sequence[UserId], type: str) -> dict[UserId, bytes]:
        """The content of a type of global account data, of those users who have it."""
        ...

    def read(
        self, tx: Transaction, user_id: UserId, room_id: RoomId | None, type: str
    ) -> AccountDataRow | None:
        """One piece of account data, within the work that is about to replace it."""
        ...

    def put(self, tx: Transaction, user_id: UserId, row: AccountDataRow) -> None:
        """Store account data in place of what had its room and type."""
        ...
