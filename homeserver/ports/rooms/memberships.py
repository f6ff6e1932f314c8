"""What the floors above ask of storage about which rooms users are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.database import Transaction


@attrs.frozen(slots=True)
class SharedRooms:
    """Some of the rooms that two users are in, in the order of their IDs, and how many in all."""

    room_ids: list[RoomId]
    total: int


class MembershipStore(Protocol):
    """The current memberships of users."""

    async def joined_rooms(self, user_id: UserId) -> list[RoomId]:
        """The rooms a user is in."""
        ...

    async def memberships(self, user_id: UserId, room_ids: Sequence[RoomId]) -> dict[RoomId, str]:
        """What a user is to those of these rooms where the user has a membership."""
        ...

    async def shared_rooms(
        self, user_id: UserId, other: UserId, *, after: RoomId | None, limit: int
    ) -> SharedRooms:
        """The rooms that both users are in, from after a room on."""
        ...

    def forget(self, tx: Transaction, user_id: UserId, room_nid: int) -> None:
        """Note that a user wants to know nothing more of a room."""
        ...
