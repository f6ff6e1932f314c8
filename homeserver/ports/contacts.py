"""What the floors above ask of storage about who knows whom."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.identifiers import UserId


class Contacts(Protocol):
    """Users and the rooms they have in common."""

    async def share_a_room(self, one: UserId, other: UserId) -> bool:
        """Whether there is a room that both are in."""
        ...
