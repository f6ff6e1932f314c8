"""What deactivating an account asks of the rooms."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.identifiers import UserId


class RoomDepartures(Protocol):
    """Takes users out of their rooms."""

    async def leave_all(self, user_id: UserId) -> None:
        """Leave every room the user is in, and reject or retract every invite and knock.

        Returns once that is stored. Doing it again does no harm.
        """
        ...
