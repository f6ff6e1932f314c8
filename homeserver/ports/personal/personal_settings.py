"""What replacing a room asks of its members' settings."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.identifiers import RoomId, UserId


class PersonalSettings(Protocol):
    """What users have set for single rooms: tags, notifications and so on."""

    async def carry_over(self, user_id: UserId, old_room: RoomId, new_room: RoomId) -> None:
        """Let a user have for a room what they have set for the one that it replaces.

        Client-server API, "Room Upgrades". What the user has set for the new room stays.
        """
        ...


class NoPersonalSettings:
    """For where users set nothing for single rooms."""

    async def carry_over(self, user_id: UserId, old_room: RoomId, new_room: RoomId) -> None:
        """See :class:`PersonalSettings`."""
