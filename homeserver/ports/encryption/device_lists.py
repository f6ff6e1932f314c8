"""What the floors above ask of storage about whose devices have changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction


@attrs.frozen(slots=True)
class RoomMoves:
    """Who came into some rooms, and who left them."""

    joined: list[UserId]
    left: list[UserId]


class DeviceListStore(Protocol):
    """Changes of device lists, and the rooms through which they are seen."""

    async def joined_rooms(self, user_id: UserId) -> list[int]:
        """The numbers of the rooms a user is in."""
        ...

    def note_change(self, tx: Transaction, user_id: UserId, shard: int, position: int) -> None:
        """Note when the keys of a user or of their devices changed last."""
        ...

    async def changed_since(self, user_id: UserId, positions: Sequence[int]) -> list[UserId]:
        """Whose keys changed after the positions of the shards, of the user, of those who share a
        room with them, and of those whom they signed."""
        ...

    async def moves_since(self, room_nids: Sequence[int], positions: Sequence[int]) -> RoomMoves:
        """Who came into rooms after the positions of the shards and is there, or left them."""
        ...

    async def sharing(self, user_id: UserId, others: Collection[UserId]) -> set[UserId]:
        """Those among others who are in a room with a user."""
        ...
