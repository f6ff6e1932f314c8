"""Which rooms belong to a list. MSC4186, "SlidingRoomFilter". Pure."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from homeserver.domain.identifiers import RoomId


@attrs.frozen(slots=True)
class RoomTraits:
    """What filters look at in a room as one user has it."""

    room_id: RoomId
    membership: str
    room_type: str | None = None
    is_encrypted: bool = False
    is_dm: bool = False
    tags: Collection[str] = ()


@attrs.frozen(slots=True)
class ListFilter:
    """Conditions that a room must all fulfil; None stands for any room."""

    is_dm: bool | None = None
    is_encrypted: bool | None = None
    is_invited: bool | None = None
    room_types: frozenset[str | None] | None = None
    not_room_types: frozenset[str | None] = frozenset()
    spaces: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    not_tags: frozenset[str] = frozenset()

    @property
    def regards_personal_data(self) -> bool:
        """Whether it depends on what the user keeps about rooms."""
        return self.is_dm is not None or self.tags is not None or bool(self.not_tags)

    @property
    def regards_state(self) -> bool:
        """Whether it depends on the state of rooms."""
        return (
            self.is_encrypted is not None
            or self.room_types is not None
            or bool(self.not_room_types)
        )

    def matches(self, room: RoomTraits, children: Collection[RoomId]) -> bool:
        """Whether a room belongs to the list; ``children`` are the rooms of its spaces."""
        return (
            (self.is_invited is None or self.is_invited == (room.membership == "invite"))
            and (self.is_dm is None or self.is_dm == room.is_dm)
            and (self.is_encrypted is None or self.is_encrypted == room.is_encrypted)
            and (self.room_types is None or room.room_type in self.room_types)
            and room.room_type not in self.not_room_types
            and (self.spaces is None or room.room_id in children)
            and (self.tags is None or not self.tags.isdisjoint(room.tags))
            and self.not_tags.isdisjoint(room.tags)
        )
